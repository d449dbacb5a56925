"""The EMR's latest amount of a line, and the reconciling items between it and the ledger."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from payments.contract.money import ZERO
from payments.journeys import adjusting, balancing
from payments.journeys.balancing import BalanceFilter
from payments.store.db.connection import Transaction
from tests.builders.events import deleted_payment, event_body, payment_fields, saved_payment
from tests.builders.office import BILLER, Office

FIFTH, SIXTH = date(2026, 6, 5), date(2026, 6, 6)
JUNE_7 = "2026-06-07T09:00:00+00:00"


def invalid(amount: str, version: object, **more: Any) -> bytes:
    """Return the body of an invalid save. Its amount and transaction date are readable."""
    return event_body(
        payment_fields(amount_due=amount, amount_paid=amount, version=version, method="Gift card", **more)
    )


def deletion(version: int) -> bytes:
    """Return the body of the event that deletes the line."""
    return event_body(deleted_payment(version=version))


SAVED = saved_payment("25.00")
BALANCE_CASES = [
    ("imported", [SAVED], "25.00", {}),
    ("deleted", [SAVED, deletion(2)], "0.00", {}),
    ("a newer version refused", [SAVED, invalid("40.00", 2)], "40.00", {"invalid": "15.00"}),
    ("an older version refused", [saved_payment("25.00", version=2), invalid("40.00", 1)], "25.00", {}),
    ("two refused", [SAVED, invalid("60.00", 3), invalid("40.00", 2)], "60.00", {"invalid": "35.00"}),
    ("refused, then saved again", [SAVED, invalid("40.00", 2), saved_payment("30.00", version=3)], "30.00", {}),
    ("the unpaid version refused", [SAVED, invalid("25.00", 2, paid=False)], "0.00", {"invalid": "-25.00"}),
    ("an amount that cannot be read", [SAVED, invalid("much", 2)], "25.00", {}),
    ("a day that cannot be read", [SAVED, invalid("40.00", 2, transaction_date="soon")], "25.00", {}),
    ("version unreadable, saved later", [SAVED, invalid("40.00", "x", saved_at=JUNE_7)], "40.00", {"invalid": "15.00"}),
    ("version unreadable, saved before", [saved_payment("25.00", saved_at=JUNE_7), invalid("40.00", "x")], "25.00", {}),
    ("other content, same version", [SAVED, saved_payment("30.00")], "30.00", {"invalid": "5.00"}),
    ("refused from the first", [invalid("25.00", 1)], "25.00", {"invalid": "25.00"}),
    ("without a key", [invalid("25.00", 1, payment_id=...)], "25.00", {"invalid": "25.00"}),
    ("refused after Internal", [saved_payment("25.00", internal_payment=True), invalid("40.00", 2)], "40.00",
     {"internal": "25.00", "invalid": "15.00"}),
    ("a refund", [SAVED, saved_payment("-5.00", payment_id="r", refund_of="clinic/x/1")], "20.00", {}),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("events", "emr", "terms"), [row[1:] for row in BALANCE_CASES], ids=[row[0] for row in BALANCE_CASES]
)
def test_emr_total_is_the_latest_amount_of_the_line(
    tx: Transaction, events: Any, emr: str, terms: dict[str, str]
) -> None:
    Office(tx, date(2026, 6, 20)).publish(*events)

    assert emr_total_and_items(tx, BalanceFilter(FIFTH, FIFTH)) == (emr, terms)


def test_differing_lines_are_the_lines_of_the_balance_sorted_by_payment(tx: Transaction) -> None:
    office = Office(tx, date(2026, 6, 20))
    for payment_id in ("b", "a", "equal"):
        office.publish(saved_payment("25.00", payment_id=payment_id))
    office.publish(invalid("40.00", 2, payment_id="b"), invalid("30.00", 1, payment_id="refused"))
    office.publish(invalid("20.00", 1, payment_id=...), saved_payment("9.00", payment_id="c", internal_payment=True))
    tx.execute(text("UPDATE lines SET amount_paid = 35.00 WHERE payment_id = 'a'"))
    everything, year = BalanceFilter(), BalanceFilter(date(2026, 1, 1), date(2026, 12, 31))

    by_payment = [*balancing.differing_lines(tx, everything)]

    *of_lines, refused, unreadable = [line.payment for line in by_payment]
    assert of_lines == ["clinic/a/1", "clinic/b/1", "clinic/c/1"]
    assert (refused, str(unreadable).partition(":")[0]) == ("clinic/refused/1", "refused")
    assert by_payment == [*balancing.differing_lines(tx, year)]
    for query in (everything, year):
        balance = balancing.balance(tx, query)
        assert sorted(map(repr, by_payment)) == sorted(map(repr, balance.lines))
        assert (str(balance.emr_total), balance.equal, balance.different) == ("159.00", 1, 5)


def emr_total_and_items(tx: Transaction, query: BalanceFilter) -> tuple[str, dict[str, str]]:
    """Return the EMR's total and its nonzero reconciling items. Check that nothing is unexplained."""
    balance = balancing.balance(tx, query)
    assert [balance.unexplained, *balance.unbalanced_lines] == [ZERO]
    return str(balance.emr_total), {term.value: str(amount) for term, amount in balance.items.items() if amount}


def test_acknowledging_a_conflict_keeps_the_emrs_latest_amount(tx: Transaction) -> None:
    office = Office(tx, date(2026, 6, 20))
    office.publish(SAVED, saved_payment("30.00"))

    (found,) = office.open_exceptions()
    adjusting.acknowledge(tx, found.id, "a slip of the EMR", office.now, BILLER)

    assert emr_total_and_items(tx, BalanceFilter()) == ("25.00", {})


def test_dead_letter_counts_on_its_transaction_date(tx: Transaction) -> None:
    Office(tx, date(2026, 6, 20)).publish(SAVED, invalid("40.00", 2, transaction_date="2026-06-06"))

    assert emr_total_and_items(tx, BalanceFilter(FIFTH, FIFTH)) == ("0.00", {"date_differences": "-25.00"})
    assert emr_total_and_items(tx, BalanceFilter(SIXTH, SIXTH)) == (
        "40.00",
        {"invalid": "15.00", "date_differences": "25.00"},
    )
    assert emr_total_and_items(tx, BalanceFilter(FIFTH, SIXTH)) == ("40.00", {"invalid": "15.00"})


def test_payment_moved_out_of_a_closed_month_is_a_date_difference_of_both_months(tx: Transaction) -> None:
    office = Office(tx, date(2026, 6, 20))
    office.publish(saved_payment("25.00", transaction_date="2026-05-31"))
    office.close_months("2026-05")
    office.publish(saved_payment("35.00", version=2))
    may, june = (BalanceFilter(date(2026, month, 1), date(2026, month, 30 + month % 2)) for month in (5, 6))

    assert emr_total_and_items(tx, may) == ("0.00", {"date_differences": "-25.00"})
    assert emr_total_and_items(tx, june) == ("35.00", {"closed_month": "10.00", "date_differences": "25.00"})
    office.accept_all()
    assert emr_total_and_items(tx, june) == ("35.00", {"prior_period": "10.00", "date_differences": "25.00"})


def test_entries_not_written_by_the_rules_are_unexplained_by_line(tx: Transaction) -> None:
    office = Office(tx, date(2026, 6, 20))
    office.publish(*(saved_payment("25.00", payment_id=each) for each in ("right", "said", "posted")))
    tx.execute(text("UPDATE lines SET amount_paid = 30.00 WHERE payment_id = 'said'"))
    tx.execute(
        text(
            "INSERT INTO entries (kind, part, line_ref, version, amount, company_id, clinic_id, patient_id, "
            "charge_type, method, deposit_date, posting_date, posted_at, entered_by) "
            "SELECT 'manual', 9, line_ref, version, amount, company_id, clinic_id, patient_id, "
            "charge_type, method, deposit_date, posting_date, posted_at, entered_by "
            "FROM entries WHERE line_ref IN (SELECT id FROM lines WHERE payment_id = 'posted')"
        )
    )

    balance = balancing.balance(tx, BalanceFilter(FIFTH, FIFTH))

    unexplained = [(each.payment, str(each.unexplained)) for each in balance.lines]
    assert unexplained == [("clinic/posted/1", "-25.00"), ("clinic/said/1", "5.00")]
    assert (balance.equal, balance.unexplained) == (1, Decimal("-20.00"))
