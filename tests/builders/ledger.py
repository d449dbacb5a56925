"""Import, retry and read payments in one transaction, for tests of a single payment."""

from datetime import datetime, timedelta

from sqlalchemy import text

from payments.contract.event import ChargeType, Event
from payments.core.due_selection import DueSelection
from payments.core.eligibility import ClinicSettings
from payments.core.import_stats import ImportStats
from payments.core.scope import EVERYTHING, Scope
from payments.journeys import configuring, importing, reporting, requeue_runs, retrying
from payments.journeys.configuring import SettingsUpdate
from payments.journeys.reporting import FeedFilter, FeedRow
from payments.store.db.connection import Transaction
from tests.builders.events import BACKOFF, COPAYS, NOW, SAVED_AT, run_context, saved_patient, stream_entries

NO_RETRIES: tuple[timedelta, ...] = ()
SETTINGS_SINCE = SAVED_AT - timedelta(days=30)
PAYMENT_KEY = "clinic/payment/1"


def create_clinic(tx: Transaction, settings: ClinicSettings = COPAYS, clinic_id: str = "clinic") -> None:
    """Create a clinic with these settings, and one patient."""
    set_clinic_settings(tx, settings, SETTINGS_SINCE, clinic_id)
    import_chunk(tx, saved_patient())


def add_earlier_clinic_key(tx: Transaction) -> None:
    """Add an index that makes clinic ids unique across companies. Such an index exists until an upgrade is finished."""
    tx.execute(text("CREATE UNIQUE INDEX earlier_clinic_key ON clinics (clinic_id)"))


def set_clinic_settings(tx: Transaction, settings: ClinicSettings, since: datetime, clinic_id: str = "clinic") -> None:
    """Set the settings of a clinic, for payments saved at or after `since`."""
    update = SettingsUpdate(clinic_id, "company", settings.integration, settings.charge_types)
    configuring.set_clinic(tx, update, now=since, who="user:admin")


def settings_with_types(*charge_types: ChargeType) -> ClinicSettings:
    """Return clinic settings in which these charge types are selected."""
    return ClinicSettings(integration=True, charge_types=frozenset(charge_types))


def import_chunk(
    tx: Transaction, *events: Event | bytes, now: datetime = NOW, backoff_schedule: object = BACKOFF
) -> ImportStats:
    """Import events in one chunk."""
    return importing.import_events(tx, stream_entries(events), run_context(now, backoff_schedule))


def retry_due(tx: Transaction, now: datetime = NOW, backoff_schedule: object = BACKOFF) -> ImportStats:
    """Re-evaluate the lines that are due, and then the dead letters."""
    context = run_context(now, backoff_schedule)
    return retrying.retry_due(tx, context, DueSelection(500)) + importing.retry_dead_letters(
        tx, context, DueSelection(500)
    )


def requeue_matching(tx: Transaction, feed_filter: FeedFilter, now: datetime, who: str) -> int:
    """Requeue all payments that match the filter, and return their number."""
    run_id = requeue_runs.start_run(tx, feed_filter, now, who).run_id
    while requeue_runs.requeue_next_chunk(tx, run_id, now, 2):
        pass
    run = requeue_runs.show_run(tx, run_id, EVERYTHING)
    assert run
    return run.done


def feed_rows(tx: Transaction, clinic_id: str = "clinic") -> dict[str, FeedRow]:
    """Return a clinic's Claims Feed rows by payment key. Each payment has one row."""
    rows = list(reporting.claims_feed(tx, FeedFilter(scope=Scope.of_clinics(clinic_id))))
    assert len({row.payment for row in rows}) == len(rows)
    return {row.payment: row for row in rows}


def transmission_of(tx: Transaction, payment: str = PAYMENT_KEY) -> tuple[str, str | None, str]:
    """Return the status, the reason and the application of the payment with this printed key."""
    row = feed_rows(tx)[payment]
    return row.status, row.reason, row.application


def ledger_entries(tx: Transaction, payment_id: str = "payment") -> list[tuple[str, str]]:
    """Return the entries of a payment as (amount, deposit date), in the order of posting."""
    found = tx.execute(
        text(
            "SELECT amount::text, deposit_date::text FROM entries JOIN lines ON lines.id = line_ref "
            "WHERE payment_id = :payment_id ORDER BY entries.id"
        ),
        {"payment_id": payment_id},
    )
    return [(amount, day) for amount, day in found]


def set_month_state(tx: Transaction, month: str, state: str) -> None:
    """Set the state of a month directly, without closing it."""
    tx.execute(
        text(
            "INSERT INTO company_months (company_id, month, state) VALUES ('company', CAST(:day AS date), :state) "
            "ON CONFLICT (company_id, month) DO UPDATE SET state = excluded.state"
        ),
        {"day": f"{month}-01", "state": state},
    )
