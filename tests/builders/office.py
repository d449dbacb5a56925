"""An office without a queue: what the EMR saves, what the sweeps do, what a biller decides."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import text

from payments.contract.event import ChargeType, Event
from payments.contract.money import Money
from payments.core.import_stats import ImportStats
from payments.core.month import Month
from payments.journeys import (
    adjusting,
    closing,
    configuring,
    detecting,
    distributing,
    importing,
    reporting,
    requeueing,
    retrying,
)
from payments.journeys.adjusting import Accepted
from payments.journeys.configuring import SettingsUpdate
from payments.journeys.distributing import FIRST
from payments.journeys.reporting import ExceptionFilter, ExceptionRow
from payments.store.db.connection import Transaction
from payments.store.ledger.month_close import compute_snapshot
from tests.builders.events import run_context, saved_patient, stream_entries

BILLER = "user:biller"
BATCH = 500


def paid(amount: str, day: str, **more: Any) -> dict[str, Any]:
    """Return what a save says of a Copay that was paid in full on its date of service."""
    return {"amount_due": amount, "amount_paid": amount, "transaction_date": day, "date_of_service": day, **more}


class Office:
    """One company with a clinic that sends every charge type, or those given, on one transaction of a real database."""

    def __init__(
        self,
        tx: Transaction,
        today: date,
        company_id: str = "company",
        clinic_id: str = "clinic",
        charge_types: Iterable[ChargeType] = ChargeType,
    ) -> None:
        self.tx, self.company_id, self.clinic_id = tx, company_id, clinic_id
        self.now = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
        wish = SettingsUpdate(clinic_id, company_id, integration=True, charge_types=list(charge_types))
        configuring.set_clinic(tx, wish, now=self.now, who="user:admin")
        self.publish(saved_patient(company_id=company_id))

    def day(self, today: date) -> None:
        """Let it be noon of another day."""
        self.now = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)

    def publish(self, *events: Event | bytes) -> ImportStats:
        """Import what the EMR saves, and let the sweep look at it."""
        stats = self.imports(*events)
        self.sweep()
        return stats

    def imports(self, *events: Event | bytes) -> ImportStats:
        """Import what the EMR saves, before any sweep."""
        return importing.import_events(self.tx, stream_entries(events), run_context(self.now))

    def sweep(self) -> None:
        """Judge again what is due, and bring the exceptions up to date."""
        while retrying.retry_due(self.tx, run_context(self.now), BATCH).evaluated:
            self.now += timedelta(microseconds=1)
        importing.retry_dead_letters(self.tx, run_context(self.now), BATCH)
        while detecting.detect(self.tx, self.now, "tests-1", BATCH).examined == BATCH:
            pass
        distributing.distribute_queued(self.tx, self.now.date(), self.now, BATCH)

    def close(self, *months: str) -> None:
        """Close months."""
        for month in map(Month.parse, months):
            closing.begin_close(self.tx, self.company_id, month, self.now, BILLER)
            closing.finish_close(self.tx, self.company_id, month, self.now)

    def open_exceptions(self) -> list[ExceptionRow]:
        """Return the open exceptions."""
        return reporting.exceptions(self.tx, ExceptionFilter())

    def accept_all(self, deposit_date: date | None = None) -> list[Accepted]:
        """Accept every open exception that can be accepted."""
        ids = adjusting.list_acceptable(self.tx, self.company_id)
        done = [adjusting.accept(self.tx, each, deposit_date, self.now, BILLER) for each in ids]
        self.sweep()
        return done

    def acknowledge(self, found: ExceptionRow) -> None:
        """Acknowledge an open exception, and let the sweep look at it."""
        adjusting.acknowledge(self.tx, found.id, "as agreed", self.now, BILLER)
        self.sweep()

    def acknowledge_the_one(self) -> None:
        """Acknowledge the one open exception that there is; none may be open afterwards."""
        (found,) = self.open_exceptions()
        self.acknowledge(found)
        assert self.open_exceptions() == []

    def distribute(self) -> None:
        """Distribute every account, as each night does."""
        distributing.distribute_accounts(self.tx, FIRST, self.now.date(), self.now, 500)

    def requeue(self, keys: Iterable[str]) -> None:
        """Requeue payments, and let the sweep take them up."""
        requeueing.requeue(self.tx, list(keys), self.now, "user:support")
        self.sweep()

    def month_total(self, month: str) -> Money:
        """Return what stands in the ledger with a deposit date in the month."""
        return compute_snapshot(self.tx, self.company_id, Month.parse(month)).payments_total

    def entries(self) -> list[tuple[str, str, str]]:
        """Return the ledger as (deposit date, amount, method), in the order of posting."""
        found = self.tx.execute(text("SELECT deposit_date::text, amount::text, method FROM entries ORDER BY id"))
        return [tuple(row) for row in found]


def office_with_closed_april(tx: Transaction, *events: Event) -> Office:
    """Return an office on June 12, 2020, whose April is closed with these payments in it."""
    office = Office(tx, date(2020, 4, 30))
    office.publish(*events)
    office.day(date(2020, 6, 10))
    office.close("2020-04")
    office.day(date(2020, 6, 12))
    return office
