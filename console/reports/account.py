"""A patient's account: its sums, its payments, and the charges to which the payments were applied."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers immediately)

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record
from console.reports.parameters import as_of, company, parameter
from console.reports.payment_log import PAYMENT_LOG, log_records
from payments.core.scope import EVERYTHING, Scope

if TYPE_CHECKING:
    from datetime import datetime

    from payments.journeys.distributing import AccountRow, AllocationRow, RefundRow
    from payments.journeys.reporting import PaymentLogFilter, PaymentLogRow


@dataclass(frozen=True, kw_only=True)
class AccountParameters:
    """The patient whose account a report shows, and the company of the account."""

    patient: str = parameter(
        "Patient", "The patient's id.", option="", metavar="PATIENT", required=True, size=20, is_search=True
    )
    company: str | None = company()
    as_of: datetime | None = as_of()

    def scope(self, scope: Scope = EVERYTHING) -> Scope:
        """Return `scope`, limited to the company of these parameters if there is one."""
        return scope.narrowed_to_company(self.company)

    def payments_query(self, account: AccountRow, scope: Scope = EVERYTHING) -> PaymentLogFilter:
        """Return the filter of the account's payments.

        It names the company, because other companies may have the patient's id.
        """
        from payments.journeys.reporting import PaymentLogFilter

        return PaymentLogFilter(account.patient, as_of=self.as_of, company_id=account.company, scope=self.scope(scope))


ACCOUNT = Report(
    title="Account",
    columns=(
        Column("patient", "Patient", wraps=True),
        Column("payments_total", "Payments total", ColumnKind.MONEY),
        Column("unassigned", "Unassigned", ColumnKind.MONEY),
        Column("balance", "Patient balance", ColumnKind.MONEY),
        Column("company", "Company", wraps=True),
        Column("credit", "Overpayment on charges", ColumnKind.MONEY),
        Column("patient_name", "Name", wraps=True),
    ),
    table=("patient", "patient_name", "company", "payments_total", "unassigned", "balance", "credit"),
    page=("payments_total", "unassigned", "balance"),
    noun="account",
    empty="No patient has this id.",
    parameters=AccountParameters,
)
_SUMS_OF_ACCOUNTS = ("payments_total", "unassigned", "balance", "credit")
ACCOUNT_PAYMENTS = replace(
    PAYMENT_LOG,
    columns=(
        *PAYMENT_LOG.columns,
        *(replace(ACCOUNT.column(name), key=f"account_{name}") for name in _SUMS_OF_ACCOUNTS),
    ),
)
"""The payments of an account as one table, for CSV. Each row repeats the sums of the account."""
APPLIED = Report(
    title="Applied to charges",
    columns=(
        Column("payment", "Payment", wraps=True, css_class="pay"),
        Column("charge", "Charge", wraps=True),
        Column("date_of_service", "Date of service", ColumnKind.DATE, from_width=100),
        Column("amount", "Amount", ColumnKind.MONEY),
        Column("rule", "Rule", wraps=True),
        Column("distribution_date", "Distributed", ColumnKind.DATE),
        Column("entry", "Entry"),
    ),
    table=("payment", "charge", "date_of_service", "rule", "distribution_date", "amount"),
    noun="allocation",
    empty="No payments applied.",
    total_of="amount",
)
REFUNDS = Report(
    title="Refunds to check",
    columns=(
        Column("payment", "Refund", wraps=True, css_class="pay"),
        Column("refund_of", "Refunded payment", wraps=True),
        Column("amount", "Amount", ColumnKind.MONEY),
        Column("uncovered", "Excess", ColumnKind.MONEY),
        Column("problem", "Problem", wraps=True),
    ),
    table=("payment", "refund_of", "problem", "amount", "uncovered"),
    noun="refund",
    empty="No refunds to check.",
)
ALLOCATIONS = Report(
    title="Allocations",
    columns=(
        Column("company", "Company"),
        Column("patient", "Patient", wraps=True),
        Column("charge", "Charge", wraps=True),
        Column("amount", "Amount", ColumnKind.MONEY),
        Column("rule", "Rule", wraps=True),
        Column("payment", "Payment", wraps=True, from_width=120),
    ),
    table=("patient", "payment", "charge", "rule", "amount"),
    noun="allocation",
    empty="Nothing to distribute.",
    total_of="amount",
)


def account_records(rows: Iterable[AccountRow]) -> list[Record]:
    """Return accounts as records."""
    return [asdict(row) for row in rows]


def refund_records(rows: Iterable[RefundRow]) -> list[Record]:
    """Return a record for each refund that a biller must check."""
    from payments import wording

    return [
        {name: value for name, value in row._asdict().items() if name != "company"}
        | {"problem": wording.refund_problem(row.problem)}
        for row in rows
    ]


def account_payment_records(account: AccountRow, rows: Iterable[PaymentLogRow]) -> Iterator[Record]:
    """Yield a record for each payment. Each record includes the sums of the account.

    An account without payments has one record, with the sums alone.
    """
    of_account: Record = {
        "company": account.company,
        **{f"account_{name}": getattr(account, name) for name in _SUMS_OF_ACCOUNTS},
    }
    no_payment: Record = dict.fromkeys(PAYMENT_LOG.keys) | {
        "patient": account.patient,
        "patient_name": account.patient_name,
    }
    payments = log_records(rows)
    yield {**next(payments, no_payment), **of_account}
    yield from ({**payment, **of_account} for payment in payments)


def applied_records(rows: Iterable[AllocationRow]) -> Iterator[Record]:
    """Yield the allocations of an account as records."""
    from payments import wording

    return (row._asdict() | {"rule": wording.allocation_rule(row.rule)} for row in rows)
