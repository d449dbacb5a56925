"""Committed data for tests of commands, pages and workers, which open their own transactions."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from payments.contract.event import ChargeType, Event
from payments.core.import_stats import ImportStats
from payments.core.month import Month
from payments.core.postponed_work import Selection
from payments.journeys import closing, configuring, detecting, distributing, importing, requeue_runs
from payments.journeys.configuring import CompanyUpdate, SettingsUpdate
from payments.journeys.distributing import BEFORE_FIRST_ACCOUNT
from payments.store.db.connection import Database, transaction
from tests.builders.events import run_context, stream_entries
from tests.builders.office import Office

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
BATCH_SIZE = 500


class CommittedLedger:
    """A ledger whose methods commit. Tests share the database, so each test uses separate clinic or company ids."""

    def __init__(self, database: Database, now: datetime | None = None) -> None:
        """Create the ledger. Every change happens at the time `now`, or at the current time if `now` is None."""
        self.database, self._now = database, now

    def now(self) -> datetime:
        """Return the fixed time of this ledger, or the current time if none was given."""
        return self._now or datetime.now(UTC)

    def set_clinic(
        self, clinic_id: str, *types: ChargeType, company_id: str = "company", since: datetime | None = None
    ) -> None:
        """Let a clinic send these charge types (default: all), for payments saved at or after `since`."""
        update = SettingsUpdate(clinic_id, company_id, integration=True, charge_types=types or list(ChargeType))
        with transaction(self.database) as tx:
            configuring.set_clinic(tx, update, now=since or self.now(), who="user:admin")
            utc = CompanyUpdate(company_id, timezone="UTC")  # commands warn of a company for which none was chosen
            configuring.set_company(tx, utc, now=since or self.now(), who="user:admin")

    def import_events(self, *events: Event | bytes) -> ImportStats:
        """Import events in one chunk, without detecting exceptions."""
        with transaction(self.database) as tx:
            return importing.import_events(tx, stream_entries(events), run_context(self.now()))


class ClinicLedger(CommittedLedger):
    """A committed ledger with methods that each work on one clinic."""

    def in_office(
        self, clinic: str, work: Callable[[Office], Any], *types: ChargeType, company_id: str = "company"
    ) -> None:
        """Call `work` with the office of a clinic that sends all charge types. Then let the clinic send only `types`.

        Without `types`, the clinic still sends all charge types afterwards.
        """
        now = self.now()
        with transaction(self.database) as tx:
            work(Office(tx, now, company_id, clinic))
        self.set_clinic(clinic, *types, company_id=company_id)

    def run_requeues(self) -> None:
        """Requeue the payments of all running requeue runs, as the back office does."""
        has_more = True
        while has_more:
            with transaction(self.database) as tx:
                has_more = requeue_runs.requeue_chunk_of_next_run(tx, self.now(), BATCH_SIZE, Selection())

    def publish(self, clinic: str, *events: Event | bytes) -> None:
        """Import events of a clinic that sends all charge types, and run the sweeps."""
        self.in_office(clinic, lambda office: office.publish(*events))


class Company(CommittedLedger):
    """A new company with one patient and one clinic. The clinic sends all charge types, since January 1, 2020."""

    def __init__(self, database: Database, patient_id: str | None = None) -> None:
        super().__init__(database)
        self.id = f"c-{uuid4().hex[:8]}"
        self.patient_id = patient_id or f"ada-{uuid4().hex[:8]}"
        self.ids = {"company_id": self.id, "clinic_id": self.id, "patient_id": self.patient_id}
        self.set_clinic(self.id, company_id=self.id, since=LONG_AGO)

    def publish(self, *events: Event | bytes) -> None:
        """Import events, and detect exceptions."""
        now = self.now()
        with transaction(self.database) as tx:
            importing.import_events(tx, stream_entries(events), run_context(now))
            detecting.detect(tx, now, "backoffice-1", BATCH_SIZE)

    def distribute(self) -> None:
        """Distribute every account by the four rules, like the nightly run."""
        now = self.now()
        with transaction(self.database) as tx:
            distributing.distribute_accounts(tx, BEFORE_FIRST_ACCOUNT, now.date(), now, 5000)

    def distribute_queued(self) -> None:
        """Distribute the accounts that are queued because an event changed them."""
        now = self.now()
        with transaction(self.database) as tx:
            distributing.distribute_queued(tx, now.date(), now, BATCH_SIZE)

    def close_month(self, month: str) -> None:
        """Close a month."""
        with transaction(self.database) as tx:
            closing.begin_close(tx, self.id, Month.parse(month), datetime.now(UTC), "user:biller")
            closing.finish_close(tx, self.id, Month.parse(month), datetime.now(UTC))
