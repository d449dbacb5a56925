"""Whatever comes in whatever order while months close: no exception is forgotten, and reports look back unchanged."""

import os
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from payments.core.month import Month
from payments.journeys import adjusting, closing, distributing, reporting
from payments.journeys.adjusting import AdjustingError
from payments.store.session import Database
from tests.journeys.any_history import LINES, STRANGER, VERSIONS, event, histories, owed
from tests.journeys.test_as_of import everything
from tests.make import charge, patient
from tests.office import BILLER, Office

EXAMPLES = int(os.environ.get("PAYMENTS_DEEP_EXAMPLES", "10"))
PARTS = max(1, EXAMPLES // 250)  # so that several processes can share a long run
MONTHS = ["2026-04", "2026-05", "2026-06"]
# A line that was judged and needs nobody, and in which what stands is not what should.
NOT_SETTLED = """
SELECT payment_id, target, posted FROM lines, LATERAL (
    SELECT coalesce(sum(amount), 0) AS posted FROM entries WHERE line_ref = lines.id) AS standing
WHERE application NOT IN ('exception', 'held') AND reason IS DISTINCT FROM 'patient_not_found' AND target <> posted
"""
# A line that needs a person and has no exception that is open, or was acknowledged, for this judgement of it.
FORGOTTEN = """
SELECT payment_id FROM lines WHERE (application = 'exception' OR reason = 'patient_not_found') AND NOT EXISTS (
    SELECT FROM findings WHERE line_ref = lines.id AND status IN ('open', 'acknowledged')
        AND (findings.version, findings.attempts) = (lines.version, lines.attempts))
"""
conflicts = st.tuples(st.sampled_from(LINES), st.sampled_from(["98.00", "99.00"]))
charges = st.tuples(
    st.sampled_from(["x", "y"]),
    st.sampled_from(["0.00", "15.00", "40.00"]),
    st.sampled_from(["2026-05-08", "2026-06-08"]),
    st.booleans(),
)


class AnyOrder(RuleBasedStateMachine):
    """An office whose EMR has a fixed history for three lines, told in any order and as often as it likes."""

    database: Database

    @initialize(said_in_the_end=histories, is_under_way=st.booleans())
    def open_the_office(self, said_in_the_end: dict, is_under_way: bool) -> None:
        self.connection = self.database.connect()
        self.office = Office(self.connection, date(2026, 6, 20))
        self.history = said_in_the_end
        self.newest: dict[str, int] = {}
        self.acknowledged: set[str] = set()
        self.closed: dict[str, Decimal] = {}
        self.charge_version = 0
        self.stranger_is_known = False
        self.looks: list[tuple] = []
        if is_under_way:
            self.publish_the_next_of_every_line()
            self.close_the_next_month()

    @rule(line=st.sampled_from(LINES), number=st.integers(1, VERSIONS))
    def publish(self, line: str, number: int) -> None:
        self.hears(line, number)
        self.office.sweep()

    @rule(line=st.sampled_from(LINES))
    def publish_the_next(self, line: str) -> None:
        self.publish(line, self.newest.get(line, 0) + 1)

    @rule()
    def publish_the_next_of_every_line(self) -> None:
        for line in LINES:
            self.hears(line, self.newest.get(line, 0) + 1)
        self.office.sweep()

    @rule()
    def publish_everything_newest_first(self) -> None:
        for line, history in self.history.items():
            for number in range(len(history), 0, -1):
                self.hears(line, number)
        self.office.sweep()

    @precondition(lambda self: len(self.closed) < 2)
    @rule()
    def close_the_next_month(self) -> None:
        month = MONTHS[len(self.closed)]
        self.office.close(month)
        self.closed[month] = self.office.month_total(month)

    @rule()
    def accept_everything(self) -> None:
        self.office.accept_all()
        lines = {line for line in self.newest if line not in self.acknowledged and not self.waits(line)}
        assert {line: self.posted(line) for line in lines} == {
            line: owed(self.history[line][self.newest[line] - 1]) for line in lines
        }

    @precondition(lambda self: adjusting.accept_all(self.connection, None))
    @rule(which=st.integers(0, 2), day=st.sampled_from(["2026-04-30", "2026-05-31", "2026-06-19", "2027-01-01"]))
    def accept_one_with_a_date(self, which: int, day: str) -> None:
        numbers, before = adjusting.accept_all(self.connection, None), self.ledger()
        deposit_date = date.fromisoformat(day)
        try:
            adjusting.accept(self.connection, numbers[which % len(numbers)], deposit_date, self.office.now, BILLER)
        except AdjustingError as error:
            is_refused = day[:7] in self.closed or deposit_date > self.office.now.date()
            assert (is_refused, self.ledger()) == (True, before), error  # noqa: PT017 (it may be accepted as well)
        self.office.sweep()

    @precondition(lambda self: self.office.open_exceptions())
    @rule(which=st.integers(0, 2))
    def acknowledge_one(self, which: int) -> None:
        exceptions, before = self.office.open_exceptions(), self.ledger()
        found = exceptions[which % len(exceptions)]
        adjusting.acknowledge(self.connection, found.id, "as agreed", self.office.now, BILLER)
        self.acknowledged.add(found.payment.split("/")[1])
        self.office.sweep()
        assert self.ledger() == before

    @rule()
    def requeue_everything(self) -> None:
        self.office.requeue([f"clinic/{line}/1" for line in LINES])

    @rule(what=st.sampled_from(["night", "day", "stranger"]) | conflicts | charges)
    def meanwhile(self, what: str | tuple) -> None:
        match what:
            case "night":
                self.office.distribute()
            case "day":
                self.office.now += timedelta(days=1)
                self.office.sweep()
            case "stranger":
                self.office.publish(patient(STRANGER))
                self.stranger_is_known = True
            case (name, balance, day, insurance_open):
                self.charge_version += 1
                more = {"version": self.charge_version, "date_of_service": day, "insurance_open": insurance_open}
                self.office.publish(charge(name, balance, **more))
            case (line, amount) if line in self.newest:
                before, number = self.ledger(), self.newest[line]
                self.office.publish(event(line, number, self.history[line][number - 1], amount_paid=amount))
                assert self.ledger() == before

    @precondition(lambda self: self.newest and not self.looks)
    @rule()
    def look_at_every_report(self) -> None:
        self.looks.append((self.office.now, everything(self.connection)))
        self.office.now += timedelta(microseconds=1)

    @invariant()
    def closed_months_keep_their_totals(self) -> None:
        for month, total in getattr(self, "closed", {}).items():
            verified = closing.verify(self.connection, "company", Month.parse(month))
            assert (verified.holds, verified.snapshot.payments_total) == (True, total)

    @invariant()
    def a_line_has_one_open_exception_at_most(self) -> None:
        if hasattr(self, "office"):
            payments = [found.payment for found in self.office.open_exceptions()]
            assert len(payments) == len(set(payments))

    @invariant()
    def what_needs_nobody_is_as_it_should_be_and_what_does_is_not_forgotten(self) -> None:
        if hasattr(self, "office"):
            assert [*self.connection.execute(text(NOT_SETTLED)), *self.connection.execute(text(FORGOTTEN))] == []

    @invariant()
    def applied_and_unassigned_add_up_to_the_entries(self) -> None:
        if hasattr(self, "office"):
            (account,) = distributing.show_account(self.connection, "patient")
            log = reporting.payment_log(self.connection, reporting.LogQuery("patient"))
            applied = sum((each.amount for each in distributing.show_movements(self.connection, "patient")), Decimal(0))
            assert account.payments_total == sum((row.amount for row in log), Decimal(0))
            assert account.unassigned == account.payments_total - applied
            assert account.unassigned == sum((row.unassigned for row in log), Decimal(0)) >= 0
            assert account.balance >= 0

    def teardown(self) -> None:
        try:
            if hasattr(self, "office"):
                self.meanwhile("stranger")
                self.accept_everything()
                self.closed_months_keep_their_totals()
                for moment, then in self.looks:
                    assert everything(self.connection, moment) == then
        finally:
            if hasattr(self, "connection"):
                self.connection.rollback()
                self.connection.close()

    def hears(self, line: str, number: int) -> None:
        """Let Billing import a version of a line, or its last one."""
        number = min(number, len(self.history[line]))
        self.office.imports(event(line, number, self.history[line][number - 1]))
        if number > self.newest.get(line, 0):
            self.newest[line] = number
            self.acknowledged.discard(line)

    def waits(self, line: str) -> bool:
        """Whether a line waits for a patient whom nobody knows yet."""
        return self.history[line][self.newest[line] - 1]["patient"] == STRANGER and not self.stranger_is_known

    def posted(self, line: str) -> Decimal:
        sums = "SELECT coalesce(sum(amount), 0) FROM entries JOIN lines ON lines.id = line_ref WHERE payment_id = :line"
        found = self.connection.execute(text(sums), {"line": line})
        return Decimal(found.scalar_one())

    def ledger(self) -> list[tuple[str, str, str]]:
        return self.office.entries()


@pytest.mark.parametrize("part", range(PARTS))
def test_closed_totals_stay_and_every_line_ends_where_its_newest_version_says(database: Database, part: int) -> None:
    AnyOrder.database = database
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=EXAMPLES // PARTS,
            stateful_step_count=16,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
