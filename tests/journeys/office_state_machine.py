"""A Hypothesis state machine of an office: random actions in any order, with invariants after each."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import text

from payments.contract.event import ChargeType
from payments.core.finding import DecisionError, FindingReason
from payments.journeys import adjusting, reporting
from payments.journeys.reporting import ExceptionFilter, ExceptionRow
from payments.store.db.connection import Database
from tests.builders.events import saved_charge, saved_patient
from tests.builders.office import BILLER, Office
from tests.journeys import invariants
from tests.journeys.random_history import (
    LINES,
    PATIENTS,
    STRANGER,
    UNSELECTED_TYPE,
    VERSIONS,
    VersionFields,
    expected_amount,
    histories,
    version_body,
)
from tests.journeys.test_as_of import all_reports

MONTHS = ["2026-04", "2026-05", "2026-06"]
line_names = st.sampled_from(LINES)


class OfficeStateMachine(RuleBasedStateMachine):
    """A state machine of an office. Events of three lines and a refund arrive in any order, and some arrive repeatedly.

    Saves arrive in one chunk or one by one. The sweeps run after each save or after all saves. A nightly run may
    follow.
    """

    database: Database

    @initialize(
        history=histories,
        arrival=st.sampled_from(["together", "one by one", "before any sweep"]),
        has_nightly_run=st.booleans(),
        begins=st.sampled_from(["with nothing", "under way", "after a close", "after a close"]),
    )
    def open_office(self, history: dict, arrival: str, has_nightly_run: bool, begins: str) -> None:
        self.tx = self.database.connect()
        self.office = Office(self.tx, date(2026, 6, 20), charge_types=set(ChargeType) - {UNSELECTED_TYPE})
        self.history: dict[str, list[VersionFields]] = history
        self.arrival, self.has_nightly_run = arrival, has_nightly_run
        self.known = [*PATIENTS]
        self.newest: dict[str, int] = {}
        self.acknowledged: set[str] = set()
        self.closed: dict[str, Decimal] = {}
        self.charge_version = 1
        self.looks: list[tuple] = []
        self.office.publish(
            saved_patient("other"), *(saved_charge(each, "40.00", patient_id=each) for each in PATIENTS)
        )
        if begins != "with nothing":
            self.publish_next(set(LINES))
        if begins == "after a close":
            self.close_next_month()

    @rule(line=line_names, number=st.integers(1, VERSIONS))
    def publish(self, line: str, number: int) -> None:
        self.import_versions((line, number))

    @rule(lines=st.just(set(LINES)) | st.sets(line_names, min_size=1))
    def publish_next(self, lines: set[str]) -> None:
        self.import_versions(*((line, self.newest.get(line, 0) + 1) for line in sorted(lines)))

    # Usually late in the run, because no later save counts.
    @precondition(lambda self: not self.newest or sum(self.newest.values()) > 2 * len(LINES))
    @rule()
    def publish_all_newest_first(self) -> None:
        longest = max(map(len, self.history.values()))
        numbers = range(longest, 0, -1)
        self.import_versions(
            *((line, number) for number in numbers for line in LINES if number <= len(self.history[line]))
        )

    @precondition(lambda self: len(self.closed) < 2)
    @rule()
    def close_next_month(self) -> None:
        month = MONTHS[len(self.closed)]
        self.office.close_months(month)
        self.closed[month] = self.office.month_total(month)

    @rule()
    def accept_all_exceptions(self) -> None:
        self.office.accept_all()
        lines = {
            line for line in self.newest if line not in self.acknowledged and not self.is_waiting_for_patient(line)
        }
        assert {line: self.posted(line) for line in lines} == {
            line: expected_amount(line, self.latest_version(line)) for line in lines
        }

    @precondition(lambda self: adjusting.list_acceptable(self.tx, None))
    @rule(which=st.integers(0, 2), day=st.sampled_from(["2026-04-30", "2026-05-31", "2026-06-19", "2027-01-01"]))
    def accept_one_with_a_date(self, which: int, day: str) -> None:
        numbers, before = adjusting.list_acceptable(self.tx, None), self.office.ledger_entries()
        deposit_date, is_refused = date.fromisoformat(day), False
        try:
            adjusting.accept(self.tx, numbers[which % len(numbers)], deposit_date, self.office.now, BILLER)
        except DecisionError:
            is_refused = True
            assert self.office.ledger_entries() == before
        assert is_refused == (day[:7] in self.closed or deposit_date > self.office.now.date())
        self.office.run_sweeps()

    @precondition(lambda self: self.office.open_exceptions())
    @rule(which=st.integers(0, 2))
    def acknowledge_one(self, which: int) -> None:
        exceptions, before = self.office.open_exceptions(), self.office.ledger_entries()
        found = exceptions[which % len(exceptions)]
        self.office.acknowledge(found)
        self.acknowledged.add(found.payment.split("/")[1])
        assert self.office.ledger_entries() == before

    @precondition(lambda self: self.decided_exceptions())
    @rule(which=st.integers(0, 2))
    def undo_one(self, which: int) -> None:
        exceptions, before = self.decided_exceptions(), self.office.ledger_entries()
        found = exceptions[which % len(exceptions)]
        try:
            undone = self.office.undo(found)
        except DecisionError:
            assert self.office.ledger_entries() == before
            return
        assert len(self.office.ledger_entries()) == len(before) + len(undone.postings)
        assert found.id in {each.id for each in self.office.open_exceptions()}
        if found.reason != FindingReason.VERSION_CONFLICT:
            self.acknowledged.discard(found.payment.split("/")[1])

    @rule(lines=st.just(LINES) | line_names.map(lambda line: [line]))
    def requeue(self, lines: list[str]) -> None:
        self.office.requeue([f"clinic/{line}/1" for line in lines])

    @precondition(lambda self: self.newest)
    @rule(which=st.integers(0, len(LINES) - 1), amount=st.sampled_from(["98.00", "99.00"]))
    def publish_conflicting_version(self, which: int, amount: str) -> None:
        line, before = sorted(self.newest)[which % len(self.newest)], self.office.ledger_entries()
        self.office.publish(version_body(line, self.newest[line], self.latest_version(line), amount_paid=amount))
        assert self.office.ledger_entries() == before

    @rule(
        name=st.sampled_from([*PATIENTS, "more"]),
        balance=st.sampled_from(["-5.00", "0.00", "15.00", "40.00"]),
        patient_paid=st.sampled_from([None, None, "0.00", "25.00"]),
        day=st.sampled_from(["2026-05-08", "2026-06-08"]),
        insurance_open=st.booleans(),
        patient_id=st.sampled_from(["patient", "patient", "other"]),
    )
    def save_charge(self, name: str, balance: str, day: str, **more: object) -> None:
        self.charge_version += 1
        self.office.publish(saved_charge(name, balance, version=self.charge_version, date_of_service=day, **more))

    @rule()
    def save_unknown_patient(self) -> None:
        self.office.publish(saved_patient(STRANGER))
        self.known = [*PATIENTS, STRANGER]

    @rule()
    def run_nightly_distribution(self) -> None:
        self.office.distribute_all()

    @rule()
    def advance_one_day(self) -> None:
        self.office.now += timedelta(days=1)
        self.office.run_sweeps()

    @precondition(lambda self: self.newest and not self.looks)
    @rule()
    def read_every_report(self) -> None:
        self.looks.append((self.office.now, all_reports(self.tx, patients=(*PATIENTS, STRANGER))))
        self.office.now += timedelta(microseconds=1)

    @invariant()
    def invariants_hold(self) -> None:
        for month, total in self.closed.items():
            invariants.check_closed_month_total(self.tx, month, total)
        invariants.check_one_open_exception_per_line(self.tx)
        invariants.check_lines_match_their_target(self.tx)
        invariants.check_nothing_is_overapplied(self.tx)
        for each in self.known:
            invariants.check_applied_plus_unassigned(self.tx, each)

    def teardown(self) -> None:
        try:
            if hasattr(self, "looks"):
                self.final_state_matches_newest_versions_and_reports_as_of()
        finally:
            if hasattr(self, "tx"):
                self.tx.rollback()
                self.tx.close()

    def final_state_matches_newest_versions_and_reports_as_of(self) -> None:
        self.save_unknown_patient()
        self.accept_all_exceptions()
        self.invariants_hold()
        invariants.check_feed_agrees_with_balance_and_ledger(self.tx)
        for moment, then in self.looks:
            assert all_reports(self.tx, moment, patients=(*PATIENTS, STRANGER)) == then

    def import_versions(self, *versions: tuple[str, int]) -> None:
        """Import versions, given as (line, number). A number above the line's last version means the last one."""
        versions_to_import = [(line, min(number, len(self.history[line]))) for line, number in versions]
        events = [version_body(line, number, self.history[line][number - 1]) for line, number in versions_to_import]
        chunks = [events] if self.arrival == "together" else [[each] for each in events]
        for chunk in chunks:
            self.office.import_events(*chunk)
            if self.arrival != "before any sweep":
                self.office.run_sweeps()
        self.office.run_sweeps()
        if self.has_nightly_run:
            self.office.distribute_all()
        for line, number in versions_to_import:
            if number > self.newest.get(line, 0):
                self.newest[line] = number
                self.acknowledged.discard(line)

    def latest_version(self, line: str) -> VersionFields:
        return self.history[line][self.newest[line] - 1]

    def decided_exceptions(self) -> list[ExceptionRow]:
        """Return the exceptions that were accepted or acknowledged, newest first."""
        rows = reporting.exceptions(self.tx, ExceptionFilter(status=None))
        return [each for each in rows if each.status in {"resolved", "acknowledged"}][::-1]

    def is_waiting_for_patient(self, line: str) -> bool:
        """Return whether a line is held because its patient is not saved yet."""
        return self.latest_version(line)["patient"] not in self.known

    def posted(self, line: str) -> Decimal:
        sums = "SELECT coalesce(sum(amount), 0) FROM entries JOIN lines ON lines.id = line_ref WHERE payment_id = :line"
        return Decimal(self.tx.execute(text(sums), {"line": line}).scalar_one())
