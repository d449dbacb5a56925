"""EMR and Billing balance to the cent over an example week (rule D9).

With PAYMENTS_WRITE_DOCS=1, a test writes the example into `docs/explanation/balancing.md`.
"""

import os
import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from sqlalchemy import text

from payments import balancing_wording
from payments.contract.event import ChargeType
from payments.contract.money import ZERO
from payments.core.balancing import Balance, ReconcilingItem
from payments.journeys import balancing, configuring
from payments.journeys.balancing import BalanceFilter
from payments.journeys.configuring import SettingsUpdate
from payments.store.db.connection import Transaction
from tests.builders.events import event_body, next_version, paid, payment_fields, saved_payment
from tests.builders.office import Office

BALANCING_PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "balancing.md"
EXAMPLE_WEEK = BalanceFilter(date(2020, 6, 1), date(2020, 6, 7))


@dataclass(frozen=True)
class WeekPayment:
    """A payment of the example week: its description and the fields that the front desk saved."""

    payment_id: str
    what: str
    day: str
    amount: str
    saves: dict[str, object]


WEEK_PAYMENTS = (
    *(WeekPayment(f"copay-{day}", "Copay", f"2020-06-0{day}", "150.00", {}) for day in range(1, 7)),
    WeekPayment("mistaken", "Copay, part of it refunded on Friday", "2020-06-02", "105.00", {}),
    WeekPayment("refund", "Refund", "2020-06-05", "-30.00", {"refund_of": "clinic/mistaken/1"}),
    WeekPayment("internal", "Internal Payment", "2020-06-03", "120.00", {"internal_payment": True}),
    WeekPayment("band", "Supplies, which the clinic does not send", "2020-06-04", "45.00", {"charge_type": "Supplies"}),
    WeekPayment("free", "Copay whose Amount Due is 0.00", "2020-06-04", "30.00", {"amount_due": "0.00"}),
    WeekPayment("newcomer", "Copay of a patient unknown to Billing", "2020-06-05", "55.00", {"patient_id": "newcomer"}),
    WeekPayment("gift-card", "Copay by a method unknown to Billing", "2020-06-06", "25.00", {"method": "Gift card"}),
)


def example_week(tx: Transaction) -> Office:
    """Return the office after the example week. A biller has accepted exceptions of April and of May."""
    office = Office(tx, date(2020, 4, 30))
    types = [kind for kind in ChargeType if kind is not ChargeType.SUPPLIES]
    update = SettingsUpdate(office.clinic_id, office.company_id, integration=True, charge_types=types)
    configuring.set_clinic(tx, update, now=office.now + timedelta(seconds=1), who="user:admin")
    april = saved_payment(payment_id="april", saved_at="2020-04-08T17:00:00Z", **paid("60.00", "2020-04-08"))
    office.publish(april)
    office.set_today(date(2020, 6, 2))
    office.close_months("2020-04", "2020-05")
    late = {"saved_at": "2020-06-02T17:00:00Z"}
    office.publish(
        saved_payment(payment_id="may", **late, **paid("50.00", "2020-05-13")),
        next_version(april, amount_due="45.00", amount_paid="45.00", **late),
    )
    office.accept_all(date(2020, 6, 2))
    office.set_today(date(2020, 6, 8))
    for payment in WEEK_PAYMENTS:
        at = {"payment_id": payment.payment_id, "saved_at": f"{payment.day}T17:00:00Z"}
        office.publish(event_body(payment_fields(**{**at, **paid(payment.amount, payment.day), **payment.saves})))
    return office


def test_example_week_balances_to_the_cent(tx: Transaction) -> None:
    example_week(tx)

    balance = balancing.balance(tx, EXAMPLE_WEEK)

    assert (str(balance.emr_total), str(balance.billing_total), balance.unexplained) == ("1250.00", "975.00", ZERO)
    assert {term.value: str(amount) for term, amount in balance.items.items() if amount} == {
        "internal": "120.00",
        "not_sent": "45.00",
        "zero_due": "30.00",
        "pending": "55.00",
        "invalid": "25.00",
    }
    assert week_deposits(tx) == Decimal("1010.00")  # with the biller's +50.00 and -15.00
    may = balancing.balance(tx, BalanceFilter(date(2020, 5, 1), date(2020, 5, 31)))
    assert (may.emr_total, may.billing_total, may.items[ReconcilingItem.PRIOR_PERIOD]) == (
        Decimal("50.00"),
        ZERO,
        Decimal("50.00"),
    )


def test_balancing_document_shows_the_example_week(tx: Transaction) -> None:
    example_week(tx)
    page = fill_tables(BALANCING_PAGE.read_text(), balancing.balance(tx, EXAMPLE_WEEK), week_deposits(tx))
    if os.environ.get("PAYMENTS_WRITE_DOCS"):
        BALANCING_PAGE.write_text(page)

    assert BALANCING_PAGE.read_text() == page, (
        "regenerate it with PAYMENTS_WRITE_DOCS=1 pytest tests/journeys/test_balancing.py"
    )


def week_deposits(tx: Transaction) -> Decimal:
    """Return the sum of all entries with a deposit date in the example week."""
    sums = "SELECT sum(amount) FROM entries WHERE deposit_date BETWEEN :since AND :until"
    return Decimal(tx.execute(text(sums), {"since": EXAMPLE_WEEK.since, "until": EXAMPLE_WEEK.until}).scalar_one())


def fill_tables(page: str, balance: Balance, deposits: Decimal) -> str:
    """Return the page with its tables generated again from the example week. A comment on the page names each table."""
    less = [(f"less {balancing_wording.ITEM_SENTENCES[each]}", amount) for each, amount in balance.items.items()]
    tables = {
        "payments": [
            ("Day", "Payment", "What it is", "Amount"),
            *((each.day, f"clinic/{each.payment_id}/1", each.what, each.amount) for each in WEEK_PAYMENTS),
        ],
        "sum": [
            ("What", "Amount"),
            ("EMR, by transaction date", balance.emr_total),
            *less,
            ("less Unexplained", balance.unexplained),
            ("**Billing, imports by deposit date**", f"**{balance.billing_total}**"),
        ],
        "lines": [
            ("Payment", "EMR", "Billing", "Explanation"),
            *((each.payment, each.emr, each.billing, ", ".join(each.items)) for each in balance.lines),
        ],
        "deposits": [
            ("What", "Amount"),
            ("Integration Import", balance.billing_total),
            ("Adjustments that a biller accepted", deposits - balance.billing_total),
            ("**All deposits of the week**", f"**{deposits}**"),
        ],
        "terms": [
            ("Key", "What it is"),
            *((f"`{term}`", balancing_wording.ITEM_SENTENCES[term]) for term in ReconcilingItem),
        ],
    }
    for name, rows in tables.items():
        page = re.sub(rf"(<!-- {name} .*-->\n\n)(\|.*\n)*", lambda at, rows=rows: at[1] + markdown_table(rows), page)
    return page


def markdown_table(rows: list[tuple[object, ...]]) -> str:
    """Return a Markdown table with right-aligned amounts."""
    rule = [" ---: |" if re.fullmatch(r"-?\d+\.\d\d", str(cell)) else " --- |" for cell in rows[1]]
    header, *lines = ("| " + " | ".join(map(str, row)) + " |\n" for row in rows)
    return f"{header}|{''.join(rule)}\n{''.join(lines)}"
