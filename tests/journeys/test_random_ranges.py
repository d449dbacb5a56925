"""EMR and Billing balance over any date range, with nothing unexplained."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from payments.contract.event import ChargeType
from payments.contract.money import ZERO
from payments.core.scope import Scope
from payments.journeys import adjusting, balancing, configuring
from payments.journeys.balancing import BalanceFilter
from payments.journeys.configuring import SettingsUpdate
from payments.store.db.connection import Database, Transaction
from tests.builders.events import deleted_payment, event_body, payment_fields, saved_patient
from tests.builders.office import BILLER, Office
from tests.examples import example_count
from tests.journeys.invariants import check_feed_agrees_with_balance_and_ledger

EXAMPLES = example_count(4)
BEFORE_ANY_EVENT = datetime(2026, 1, 1, tzinfo=UTC)
LINES, DAYS = ["a", "b", "stranger"], ["2026-04-29", "2026-05-01", "2026-05-31", "2026-06-03"]
BALANCE_RANGES = [
    BalanceFilter(),
    BalanceFilter(date(2026, 4, 1), date(2026, 4, 30)),
    BalanceFilter(date(2026, 5, 1), date(2026, 5, 31), Scope.of_clinics("clinic")),
    BalanceFilter(date(2026, 5, 31), date(2026, 6, 20)),
    BalanceFilter(date(2026, 5, 1), date(2026, 5, 1)),
    BalanceFilter(date(2026, 1, 1), date(2026, 12, 31)),
    BalanceFilter(scope=Scope.of_companies("company")),
    BalanceFilter(scope=Scope.of_clinics("clinic")),
    BalanceFilter(scope=Scope.of_clinics("another clinic")),
]
_REFUND_FIELDS = {"amount_due": "-30.00", "refund_of": "x/y/z"}
saved_fields = st.fixed_dictionaries(
    {
        "payment_id": st.sampled_from(LINES),
        "amount_paid": st.sampled_from(["10.00", "20.00", "-30.00"]),
        "amount_due": st.sampled_from(["0.00", *["10.00"] * 5]),
        "transaction_date": st.sampled_from(DAYS),
        "method": st.sampled_from(["Cash", "Check", "Gift card"]),
        "charge_type": st.sampled_from(["Copay", "Copay", "Supplies"]),
        "paid": st.sampled_from([True, True, True, False]),
        "internal_payment": st.sampled_from([False, False, False, True]),
        "ahead": st.sampled_from([2, 2, 2, 0, -1]),  # newer, in conflict with the current version, or late
    }
).map(lambda content: content | (_REFUND_FIELDS if str(content["amount_paid"]).startswith("-") else {}))
STEP_NAMES = ["save"] * 8 + "delete close close accept acknowledge requeue patient unselect day".split()
step_lists = st.lists(st.tuples(st.sampled_from(STEP_NAMES), saved_fields), min_size=4, max_size=14)


class RecordedOffice:
    """An office on which tests take random steps. `accepted` records the EMR's latest version of each line."""

    def __init__(self, tx: Transaction) -> None:
        self.tx, self.office = tx, Office(tx, date(2026, 6, 20))
        self.accepted: dict[str, tuple[int, str, Decimal]] = {}  # version, day, amount
        self.months = ["2026-04", "2026-05"]
        self.is_disputed = False

    def save(self, content: dict[str, Any]) -> None:
        fields, line = {**content}, content["payment_id"]
        version, *_ = self.accepted.get(line, (1, "", ZERO))
        number = max(1, version + fields.pop("ahead"))
        self.is_disputed |= number == version and line in self.accepted
        patient_id = "stranger" if line == "stranger" else "patient"
        self.office.publish(
            event_body(payment_fields(version=number, patient_id=patient_id, date_of_service=None, **fields))
        )
        if number > version or line not in self.accepted:
            amount = Decimal(fields["amount_paid"]) if fields["paid"] else ZERO
            self.accepted[line] = (number, fields["transaction_date"], amount)

    def step(self, what: str, content: dict[str, Any]) -> None:
        line, exceptions = content["payment_id"], self.office.open_exceptions()
        match what:
            case "save":
                self.save(content)
            case "delete" if line in self.accepted:
                version, day, _ = self.accepted[line]
                self.office.publish(deleted_payment(payment_id=line, version=version + 1))
                self.accepted[line] = (version + 1, day, ZERO)
            case "close" if self.months:
                self.office.close_months(self.months.pop(0))
            case "accept":
                self.office.accept_all()
            case "acknowledge" if exceptions:
                adjusting.acknowledge(self.tx, exceptions[0].id, "as agreed", self.office.now, BILLER)
            case "requeue":
                self.office.requeue([f"clinic/{line}/1"])
            case "patient":
                self.office.publish(saved_patient("stranger"))
            case "unselect":
                update = SettingsUpdate("clinic", "company", charge_types=[ChargeType.COPAY])
                configuring.set_clinic(self.tx, update, now=BEFORE_ANY_EVENT, who="user:admin")
            case "day":
                self.office.now += timedelta(days=1)
                self.office.run_sweeps()

    def emr_total(self, query: BalanceFilter) -> Decimal:
        inside = [
            amount
            for _, day, amount in self.accepted.values()
            if (query.since or date.min) <= date.fromisoformat(day) <= (query.until or date.max)
        ]
        return sum(inside, ZERO) if query.scope.only_clinic in {None, "clinic"} else ZERO


@pytest.mark.slow
@given(steps=step_lists)
@settings(max_examples=EXAMPLES)
def test_every_date_range_balances(database: Database, steps: list[tuple[str, dict[str, Any]]]) -> None:
    with database.connect() as tx:
        scenario = RecordedOffice(tx)
        for what, content in steps:
            scenario.step(what, content)
        for query in BALANCE_RANGES:
            balance = balancing.balance(tx, query)
            assert [balance.unexplained, *balance.unbalanced_lines] == [ZERO]
            assert sorted(map(repr, balancing.differing_lines(tx, query))) == sorted(map(repr, balance.lines))
            assert scenario.is_disputed or balance.emr_total == scenario.emr_total(query)
            assert balance.billing_total == imported_total(tx, query)
            by_clinic = balancing.balance_clinics(tx, query).values()
            assert sum((each.emr_total for each in by_clinic), ZERO) == balance.emr_total
        check_feed_agrees_with_balance_and_ledger(tx)
        tx.rollback()


def imported_total(tx: Transaction, query: BalanceFilter) -> Decimal:
    """Return the sum of the imports with a deposit date in the range."""
    sums = (
        "SELECT coalesce(sum(amount), 0.00) FROM entries WHERE kind = 'import' "
        "AND deposit_date BETWEEN :since AND :until AND clinic_id = :clinic"
    )
    found = {
        "since": query.since or date.min,
        "until": query.until or date.max,
        "clinic": query.scope.only_clinic or "clinic",
    }
    return Decimal(tx.execute(text(sums), found).scalar_one())
