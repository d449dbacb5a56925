"""What the stories of this folder do again and again, in words of the office."""

from datetime import datetime, timedelta

from sqlalchemy import text

from payments.contract.event import ChargeType, Event
from payments.core.eligibility import ClinicSettings
from payments.core.import_stats import ImportStats
from payments.journeys import configuring, importing, reporting, retrying
from payments.journeys.configuring import SettingsUpdate
from payments.journeys.reporting import FeedFilter, FeedRow
from payments.store.db.connection import Transaction
from tests.builders.events import BACKOFF, COPAYS, NOW, SAVED_AT, run_context, saved_patient, stream_entries

NO_LADDER: tuple[timedelta, ...] = ()
BEFORE = SAVED_AT - timedelta(days=30)
PAYMENT = "clinic/payment/1"


def open_clinic(tx: Transaction, settings: ClinicSettings = COPAYS, clinic_id: str = "clinic") -> None:
    """Let a clinic with settings and its one patient be known."""
    choose(tx, settings, BEFORE, clinic_id)
    take(tx, saved_patient())


def choose(tx: Transaction, settings: ClinicSettings, since: datetime, clinic_id: str = "clinic") -> None:
    """Let a clinic have these settings from a moment on."""
    wish = SettingsUpdate(clinic_id, "company", settings.integration, settings.charge_types)
    configuring.set_clinic(tx, wish, now=since, who="user:admin")


def sends(*charge_types: ChargeType) -> ClinicSettings:
    """Return the settings of a clinic that sends these charge types."""
    return ClinicSettings(integration=True, charge_types=frozenset(charge_types))


def take(tx: Transaction, *events: Event | bytes, now: datetime = NOW, patience: object = BACKOFF) -> ImportStats:
    """Import one chunk."""
    return importing.import_events(tx, stream_entries(events), run_context(now, patience))


def sweep(tx: Transaction, now: datetime = NOW, patience: object = BACKOFF) -> ImportStats:
    """Judge again what is due: lines first, then what was set aside."""
    at_work = run_context(now, patience)
    return retrying.retry_due(tx, at_work, 500) + importing.retry_dead_letters(tx, at_work, 500)


def feed(tx: Transaction, clinic_id: str = "clinic") -> dict[str, FeedRow]:
    """Return the rows of a clinic's feed by payment; each payment has one."""
    rows = reporting.claims_feed(tx, FeedFilter(clinics=(clinic_id,)))
    assert len({row.payment for row in rows}) == len(rows)
    return {row.payment: row for row in rows}


def stand(tx: Transaction, payment: str = PAYMENT) -> tuple[str, str | None, str]:
    """Return status, reason and application of a payment."""
    row = feed(tx)[payment]
    return row.status, row.reason, row.application


def ledger(tx: Transaction, payment_id: str = "payment") -> list[tuple[str, str]]:
    """Return the entries of a payment as (amount, deposit date), in the order of posting."""
    found = tx.execute(
        text(
            "SELECT amount::text, deposit_date::text FROM entries JOIN lines ON lines.id = line_ref "
            "WHERE payment_id = :payment_id ORDER BY entries.id"
        ),
        {"payment_id": payment_id},
    )
    return [(amount, day) for amount, day in found]


def set_month(tx: Transaction, month: str, state: str) -> None:
    """Set the state of a month directly."""
    tx.execute(
        text(
            "INSERT INTO company_months (company_id, month, state) VALUES ('company', CAST(:day AS date), :state) "
            "ON CONFLICT (company_id, month) DO UPDATE SET state = excluded.state"
        ),
        {"day": f"{month}-01", "state": state},
    )
