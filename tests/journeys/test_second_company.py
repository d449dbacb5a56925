"""Reports and totals of one company exclude another company with the same patient and payment ids."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from payments.core.scope import Scope
from payments.core.sorting import Window
from payments.journeys import balancing, closing, distributing, reporting
from payments.journeys.balancing import BalanceFilter
from payments.journeys.reporting import ExceptionFilter, FeedFilter, GroupBy, PaymentLogFilter
from payments.store.db.connection import Transaction
from tests.builders.two_companies import add_company, add_second_company

pytestmark = pytest.mark.slow

CLINIC_SCOPE = Scope.of_clinics("clinic")
Amounts = list[Decimal]


def log_amounts(tx: Transaction, **more: Any) -> Amounts:
    return [row.amount for row in reporting.payment_log(tx, PaymentLogFilter(**more))]


def account_row(tx: Transaction) -> Any:
    return next(row for row in distributing.show_account(tx, "patient") if row.company == "company")


REPORT_AND_AMOUNTS: dict[str, tuple[Callable[[Transaction], Amounts], list[str]]] = {
    "feed of the clinic": (
        lambda tx: [row.amount or Decimal(0) for row in reporting.claims_feed(tx, FeedFilter(scope=CLINIC_SCOPE))],
        ["25.00", "30.00"],
    ),
    "feed, a page": (
        lambda tx: [
            each.row.amount or Decimal(0)
            for each in reporting.claims_feed_page(tx, FeedFilter(scope=CLINIC_SCOPE), Window(50)).rows
        ],
        ["30.00", "25.00"],
    ),
    "feed, summed": (
        lambda tx: [each.total for each in reporting.claims_feed_sums(tx, FeedFilter(scope=CLINIC_SCOPE))],
        ["55.00"],
    ),
    "log of the clinic": (lambda tx: log_amounts(tx, scope=CLINIC_SCOPE), ["25.00"]),
    "log of the company": (lambda tx: log_amounts(tx, company_id="company"), ["25.00"]),
    "log of the patient in the company": (
        lambda tx: log_amounts(tx, patient_id="patient", company_id="company"),
        ["25.00"],
    ),
    "unassigned": (
        lambda tx: [row.unassigned for row in reporting.payment_log(tx, PaymentLogFilter(company_id="company"))],
        ["15.00"],
    ),
    "log, expanded": (
        lambda tx: [
            applied.amount
            for _, each in reporting.expanded_payment_log(tx, PaymentLogFilter(company_id="company"))
            for applied in each
        ],
        ["10.00"],
    ),
    "log by method": (
        lambda tx: [
            each.total for each in reporting.payment_log_sums(tx, PaymentLogFilter(scope=CLINIC_SCOPE), GroupBy.METHOD)
        ],
        ["25.00"],
    ),
    "exceptions of the clinic": (
        lambda tx: [row.difference for row in reporting.exceptions(tx, ExceptionFilter(scope=CLINIC_SCOPE))],
        ["30.00"],
    ),
    "account": (lambda tx: [account_row(tx).payments_total, account_row(tx).unassigned], ["25.00", "15.00"]),
    "allocations": (
        lambda tx: [row.amount for row in distributing.show_allocations(tx, account_row(tx))],
        ["10.00"],
    ),
    "balance of the clinic": (
        lambda tx: [
            (found := balancing.balance(tx, BalanceFilter(scope=CLINIC_SCOPE))).emr_total,
            found.billing_total,
            found.unexplained,
        ],
        ["55.00", "25.00", "0.00"],
    ),
    "months": (
        lambda tx: [row.payments_total for row in closing.list_months(tx, "company")],
        ["25.00"],
    ),
}


@pytest.mark.parametrize("name", REPORT_AND_AMOUNTS)
def test_report_of_a_company_counts_nothing_of_another_one(tx: Transaction, name: str) -> None:
    read, wanted = REPORT_AND_AMOUNTS[name]
    add_company(tx)
    alone = read(tx)
    add_second_company(tx)

    assert [str(amount) for amount in alone] == wanted
    assert read(tx) == alone
