"""An office that works without Redis and Celery. Its methods import events, run the sweeps and act as a biller."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import text

from payments.contract.event import ChargeType, Event
from payments.contract.money import Money
from payments.core.due_selection import DueSelection
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
    undoing,
)
from payments.journeys.adjusting import AcceptanceResult
from payments.journeys.configuring import SettingsUpdate
from payments.journeys.distributing import BEFORE_FIRST_ACCOUNT
from payments.journeys.reporting import ExceptionFilter, ExceptionRow
from payments.journeys.undoing import UndoRequest, UndoResult
from payments.store.db.connection import Transaction
from payments.store.ledger.month_close import compute_snapshot
from tests.builders.events import run_context, saved_patient, stream_entries

BILLER = "user:biller"
BATCH_SIZE = 500


class Office:
    """A company with one clinic, in one transaction of a database. By default the clinic sends all charge types.

    The office's clock starts at the given time, or at noon of the given day. A test with a running console must give
    the current time, because noon may be in the future.
    """

    def __init__(
        self,
        tx: Transaction,
        today: date | datetime,
        company_id: str = "company",
        clinic_id: str = "clinic",
        charge_types: Iterable[ChargeType] = ChargeType,
    ) -> None:
        self.tx, self.company_id, self.clinic_id = tx, company_id, clinic_id
        self.now = today if isinstance(today, datetime) else _noon(today)
        update = SettingsUpdate(clinic_id, company_id, integration=True, charge_types=list(charge_types))
        configuring.set_clinic(tx, update, now=self.now, who="user:admin")
        self.publish(saved_patient(company_id=company_id))

    def set_today(self, today: date) -> None:
        """Set the office's clock to noon of this day."""
        self.now = _noon(today)

    def set_types(self, *charge_types: ChargeType) -> None:
        """Let the clinic send these charge types, for payments saved from the office's current time on."""
        self.now += timedelta(microseconds=1)
        update = SettingsUpdate(self.clinic_id, self.company_id, charge_types=charge_types)
        configuring.set_clinic(self.tx, update, now=self.now, who="user:admin")

    def publish(self, *events: Event | bytes) -> ImportStats:
        """Import events in one chunk, and run the sweeps."""
        stats = self.import_events(*events)
        self.run_sweeps()
        return stats

    def import_events(self, *events: Event | bytes) -> ImportStats:
        """Import events in one chunk, without any sweep."""
        return importing.import_events(self.tx, stream_entries(events), run_context(self.now))

    def run_sweeps(self) -> None:
        """Re-evaluate due lines and dead letters, detect exceptions, and distribute the queued accounts."""
        while retrying.retry_due(self.tx, run_context(self.now), DueSelection(BATCH_SIZE)).evaluated:
            self.now += timedelta(microseconds=1)
        importing.retry_dead_letters(self.tx, run_context(self.now), DueSelection(BATCH_SIZE))
        while detecting.detect(self.tx, self.now, "backoffice-1", BATCH_SIZE).examined == BATCH_SIZE:
            pass
        distributing.distribute_queued(self.tx, self.now.date(), self.now, BATCH_SIZE)

    def close_months(self, *months: str) -> None:
        """Close these months, in this order."""
        for month in map(Month.parse, months):
            closing.begin_close(self.tx, self.company_id, month, self.now, BILLER)
            closing.finish_close(self.tx, self.company_id, month, self.now)

    def open_exceptions(self) -> list[ExceptionRow]:
        """Return the open exceptions."""
        return list(reporting.exceptions(self.tx, ExceptionFilter()))

    def accept_all(self, deposit_date: date | None = None) -> list[AcceptanceResult]:
        """Accept every open exception that can be accepted, and run the sweeps."""
        exception_ids = adjusting.list_acceptable(self.tx, self.company_id)
        accepted = [adjusting.accept(self.tx, each, deposit_date, self.now, BILLER) for each in exception_ids]
        self.run_sweeps()
        return accepted

    def acknowledge(self, found: ExceptionRow) -> None:
        """Acknowledge an open exception, and run the sweeps."""
        adjusting.acknowledge(self.tx, found.id, "as agreed", self.now, BILLER)
        self.run_sweeps()

    def undo(self, found: ExceptionRow) -> UndoResult:
        """Undo the decision on an exception, and run the sweeps."""
        undone = undoing.undo(self.tx, UndoRequest(found.id, "a mistake"), self.now, BILLER)
        self.run_sweeps()
        return undone

    def acknowledge_only_exception(self) -> None:
        """Acknowledge the only open exception, and check that none is open afterwards."""
        (found,) = self.open_exceptions()
        self.acknowledge(found)
        assert self.open_exceptions() == []

    def distribute_all(self) -> None:
        """Distribute every account by the four rules, like the nightly run."""
        distributing.distribute_accounts(self.tx, BEFORE_FIRST_ACCOUNT, self.now.date(), self.now, 500)

    def requeue(self, keys: Iterable[str]) -> None:
        """Requeue payments by key, and run the sweeps."""
        requeueing.requeue(self.tx, list(keys), self.now, "user:support")
        self.run_sweeps()

    def month_total(self, month: str) -> Money:
        """Return the total in dollars of the entries with a deposit date in this month."""
        return compute_snapshot(self.tx, self.company_id, Month.parse(month)).payments_total

    def ledger_entries(self) -> list[tuple[str, str, str]]:
        """Return the ledger as (deposit date, amount, method), in the order of posting."""
        found = self.tx.execute(text("SELECT deposit_date::text, amount::text, method FROM entries ORDER BY id"))
        return [tuple(row) for row in found]


def office_with_closed_april(tx: Transaction, *events: Event) -> Office:
    """Return an office on June 12, 2020 that has imported these events and then closed April 2020."""
    office = Office(tx, date(2020, 4, 30))
    office.publish(*events)
    office.set_today(date(2020, 6, 10))
    office.close_months("2020-04")
    office.set_today(date(2020, 6, 12))
    return office


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
