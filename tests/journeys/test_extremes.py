"""The extremes of the event contract are imported, corrected, closed and reported."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from payments.contract.money import AMOUNT_MAX
from payments.journeys import balancing, closing, distributing
from payments.journeys.balancing import BalanceFilter
from payments.store.db.connection import Transaction
from tests.builders.events import deleted_payment, event_body, paid, payment_fields, saved_charge
from tests.builders.ledger import feed_rows, ledger_entries
from tests.builders.office import Office

MOST, REFUND = str(AMOUNT_MAX), {"refund_of": "clinic/other/1"}
EXTREME_FIELDS: list[dict[str, Any]] = [
    {"saved_at": "2026-06-05T10:00:00+23:59"},
    {"saved_at": "2026-06-05T10:00:00-16:00"},
    {"saved_at": "1900-01-01T00:00:00+23:59"},
    {"saved_at": "2999-12-31T23:59:59.999999999-23:59"},
    {"transaction_date": "1900-01-01", "date_of_service": "2999-12-31"},
    {"transaction_date": "2999-12-31", "date_of_service": "1900-01-01"},
    {"amount_due": MOST, "amount_paid": MOST},
    {"amount_due": f"-{MOST}", "amount_paid": f"-{MOST}", **REFUND},
    {"amount_due": "-0.00", "amount_paid": "0.01"},
    {"version": 2**63 - 2},
    {"memo": "\U0001f9ff" * 2_000, "reference": "\x01\u2028" * 100, "case_id": "", "provider_id": "Ω" * 200},
]


@pytest.mark.slow
@pytest.mark.parametrize("extreme", EXTREME_FIELDS, ids=",".join)
def test_extreme_event_is_imported_corrected_and_deleted(tx: Transaction, extreme: dict[str, Any]) -> None:
    office = Office(tx, date(2026, 6, 10))
    first = extreme.get("version", 2)

    office.publish(event_body(payment_fields(**{"version": first, **extreme})))
    office.publish(
        event_body(payment_fields(version=first + 1)),
        event_body(payment_fields(**{**extreme, "payment_id": "beside", "version": first})),
    )
    if first < 2**62:
        office.publish(
            event_body(payment_fields(**{**extreme, "version": first + 2})),
            event_body(deleted_payment(version=first + 3)),
        )
    office.distribute_all()

    assert {row.status for row in feed_rows(tx).values()} == {"Transmission Successful"}
    assert sum(Decimal(amount) for amount, _ in ledger_entries(tx)) == (0 if first < 2**62 else 25)
    assert balancing.balance(tx, BalanceFilter()).unbalanced_lines == []


def test_ids_may_be_64_printable_characters(tx: Transaction) -> None:
    office = Office(tx, date(2026, 6, 10))
    long, odd = "\U0001f600" * 64, "a/b'\"%\\:{x}"

    office.publish(event_body(payment_fields(payment_id=long, line_id=odd)), saved_charge(odd, "5.00"))
    office.distribute_all()

    assert set(feed_rows(tx)) == {f"clinic/{long}/{odd}"}
    (account,) = distributing.show_account(tx, "patient")
    assert (account.unassigned, account.balance) == (Decimal("20.00"), Decimal("0.00"))


@pytest.mark.parametrize("month_is_closed", [False, True])
def test_largest_amount_can_change_to_the_largest_refund(tx: Transaction, month_is_closed: bool) -> None:
    office = Office(tx, date(2026, 6, 10))
    office.publish(event_body(payment_fields(**paid(MOST, "2026-05-05"), **REFUND)))
    if month_is_closed:
        office.close_months("2026-05")

    office.publish(event_body(payment_fields(version=2, **paid(f"-{MOST}", "2026-05-05"), **REFUND)))
    office.accept_all()

    assert sum(Decimal(amount) for amount, _ in ledger_entries(tx)) == -AMOUNT_MAX


def test_month_closes_with_any_total(tx: Transaction) -> None:
    office = Office(tx, date(2026, 6, 10))
    office.publish(*(event_body(payment_fields(payment_id=each, **paid(MOST, "2026-05-05"))) for each in "abc"))

    office.close_months("2026-05")

    (month,) = [each for each in closing.list_months(tx, "company") if each.state == "CLOSED"]
    assert month.payments_total == 3 * AMOUNT_MAX
