"""Whatever comes in whatever order, while months close and money moves between charges, patients and refunds."""

import os
from datetime import date, timedelta
from decimal import Decimal

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
from payments.store.session import Database
from tests.make import body, charge, deleted, patient, said
from tests.office import BILLER, Office

EXAMPLES = int(os.environ.get("PAYMENTS_DEEP_EXAMPLES", "10"))
MONTHS = ["2026-04", "2026-05", "2026-06"]
LINES, VERSIONS, PATIENTS = ["a", "b", "c", "refund"], 5, ["patient", "other"]
REFUND = {"refund_of": "clinic/a/1"}

versions = st.fixed_dictionaries(
    {
        "deleted": st.sampled_from([False, False, False, True]),
        "amount": st.sampled_from(["10.00", "20.00", "30.00"]),
        "day": st.sampled_from(["2026-04-08", "2026-05-08", "2026-06-08"]),
        "method": st.sampled_from(["Cash", "Check"]),
        "memo": st.sampled_from([None, "x"]),
        "zero_due": st.sampled_from([False] * 5 + [True]),
        "kind": st.sampled_from(["paid"] * 6 + ["unpaid", "internal"]),
        "charge_type": st.sampled_from(["Copay", "Copay", "Payment on Account"]),
        "patient_id": st.sampled_from(["patient", "patient", "other"]),
    }
)
histories = st.fixed_dictionaries({line: st.lists(versions, min_size=3, max_size=VERSIONS) for line in LINES})


# More applied to a charge than is owed, or of a patient's part of a payment than that is, or less
# than nothing.
OVERSPENT = """
SELECT 'charge', charge_id, patient_id, sum(amount) FROM allocations LEFT JOIN charges USING (charge_id, patient_id)
GROUP BY 2, 3, patient_balance HAVING sum(amount) NOT BETWEEN 0 AND coalesce(patient_balance, 0)
UNION ALL
SELECT 'payment', payment_id, moved.patient_id, applied FROM (
    SELECT line_ref, patient_id, sum(amount) AS applied FROM allocations GROUP BY 1, 2
) AS moved JOIN lines ON lines.id = line_ref
WHERE applied NOT BETWEEN 0 AND greatest(0, (
    SELECT sum(amount) FROM entries WHERE entries.line_ref = moved.line_ref AND entries.patient_id = moved.patient_id))
"""


def amount_of(line: str, version: dict) -> str:
    return f"-{version['amount']}" if line == "refund" else version["amount"]


class AnyOrder(RuleBasedStateMachine):
    """An office whose EMR has a fixed history for three lines and a refund, told in any order, again and again."""

    database: Database

    @initialize(said_in_the_end=histories, night_follows=st.booleans())
    def open_the_office(self, said_in_the_end: dict, night_follows: bool) -> None:
        self.connection = self.database.connect()
        self.office = Office(self.connection, date(2026, 6, 20))
        self.office.publish(patient("other"), *(charge(each, "40.00", patient_id=each) for each in PATIENTS))
        self.night_follows = night_follows
        self.history = said_in_the_end
        self.newest: dict[str, int] = {}
        self.acknowledged: set[str] = set()
        self.closed: dict[str, Decimal] = {}
        self.charge_version = 1
        self.tell(*((line, 1) for line in LINES))

    @rule(line=st.sampled_from(LINES), number=st.integers(1, VERSIONS))
    def publish(self, line: str, number: int) -> None:
        self.tell((line, min(number, len(self.history[line]))))

    @rule(lines=st.sets(st.sampled_from(LINES), min_size=1))
    def publish_the_next(self, lines: set[str]) -> None:
        numbers = {line: self.newest[line] + 1 for line in sorted(lines)}
        self.tell(*((line, number) for line, number in numbers.items() if number <= len(self.history[line])))

    @precondition(lambda self: sum(self.newest.values()) > 2 * len(LINES))
    @rule()
    def publish_everything_newest_first(self) -> None:
        for number in range(max(map(len, self.history.values())), 0, -1):
            self.tell(*((line, number) for line, history in self.history.items() if number <= len(history)))

    @precondition(lambda self: len(self.closed) < 2)
    @rule()
    def close_the_next_month(self) -> None:
        month = MONTHS[len(self.closed)]
        self.office.close(month)
        self.closed[month] = self.office.month_total(month)

    @rule()
    def accept_everything(self) -> None:
        self.office.accept_all()

    @precondition(lambda self: self.office.open_exceptions())
    @rule(which=st.integers(0, 2))
    def acknowledge_one(self, which: int) -> None:
        exceptions = self.office.open_exceptions()
        found = exceptions[which % len(exceptions)]
        adjusting.acknowledge(self.connection, found.id, "as agreed", self.office.now, BILLER)
        self.acknowledged.add(found.payment)

    @rule(line=st.sampled_from(LINES))
    def requeue(self, line: str) -> None:
        self.office.requeue([f"clinic/{line}/1"])

    @rule(
        name=st.sampled_from([*PATIENTS, "more"]),
        balance=st.sampled_from(["0.00", "15.00", "40.00"]),
        day=st.sampled_from(["2026-05-08", "2026-06-08"]),
        insurance_open=st.booleans(),
        patient_id=st.sampled_from(["patient", "patient", "other"]),
    )
    def save_a_charge(self, name: str, balance: str, day: str, **more: object) -> None:
        self.charge_version += 1
        self.office.publish(charge(name, balance, version=self.charge_version, date_of_service=day, **more))

    @rule()
    def distribute(self) -> None:
        self.office.distribute()

    @rule()
    def let_a_day_pass(self) -> None:
        self.office.now += timedelta(days=1)
        self.office.sweep()

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
    def applied_and_unassigned_add_up_to_the_entries(self) -> None:
        for each in PATIENTS if hasattr(self, "office") else ():
            (account,) = distributing.show_account(self.connection, each)
            log = reporting.payment_log(self.connection, reporting.LogQuery(each))
            applied = sum((moved.amount for moved in distributing.show_movements(self.connection, each)), Decimal(0))
            assert account.payments_total == sum((row.amount for row in log), Decimal(0))
            assert account.unassigned == account.payments_total - applied
            assert account.unassigned == sum((row.unassigned for row in log), Decimal(0))
            assert account.unassigned >= min(Decimal(0), account.payments_total)
            assert account.balance >= 0

    @invariant()
    def no_charge_takes_more_than_it_owes_and_no_payment_gives_more_than_it_has(self) -> None:
        if hasattr(self, "office"):
            assert self.connection.execute(text(OVERSPENT)).all() == []

    def teardown(self) -> None:
        try:
            if hasattr(self, "office"):
                self.everything_ends_where_the_newest_version_says()
        finally:
            if hasattr(self, "connection"):
                self.connection.rollback()
                self.connection.close()

    def everything_ends_where_the_newest_version_says(self) -> None:
        self.office.accept_all()
        self.closed_months_keep_their_totals()
        settled = {line for line in self.newest if f"clinic/{line}/1" not in self.acknowledged}
        assert {line: self.posted(line) for line in settled} == {line: self.owed(line) for line in settled}

    def tell(self, *versions: tuple[str, int]) -> None:
        self.office.publish(*(self.event(line, number) for line, number in versions))
        if self.night_follows:
            self.distribute()
        for line, number in versions:
            if number > self.newest.get(line, 0):
                self.newest[line] = number
                self.acknowledged.discard(f"clinic/{line}/1")

    def event(self, line: str, number: int) -> bytes:
        version = self.history[line][number - 1]
        if version["deleted"]:
            return body(deleted(payment_id=line, version=number, patient_id=version["patient_id"]))
        return body(
            said(
                payment_id=line,
                version=number,
                amount_due="0.00" if version["zero_due"] else amount_of(line, version),
                amount_paid=amount_of(line, version),
                patient_id=version["patient_id"],
                **(REFUND if line == "refund" else {}),
                transaction_date=version["day"],
                method=version["method"],
                charge_type=version["charge_type"],
                memo=version["memo"],
                paid=version["kind"] != "unpaid",
                internal_payment=version["kind"] == "internal",
            )
        )

    def owed(self, line: str) -> Decimal:
        """What belongs in Billing, worked out from the newest version alone."""
        version = self.history[line][self.newest[line] - 1]
        belongs = not version["deleted"] and version["kind"] == "paid"
        return Decimal(amount_of(line, version)) if belongs else Decimal(0)

    def posted(self, line: str) -> Decimal:
        sums = "SELECT coalesce(sum(amount), 0) FROM entries JOIN lines ON lines.id = line_ref WHERE payment_id = :line"
        found = self.connection.execute(text(sums), {"line": line})
        return Decimal(found.scalar_one())


def test_closed_totals_stay_and_every_line_ends_where_its_newest_version_says(database: Database) -> None:
    AnyOrder.database = database
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
