"""The months of a company, the totals of a month, and the payments to resolve before a month closes."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers immediately)

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from console.plurals import plural
from console.reports.definition import Column, ColumnKind, Report, SortCost
from console.reports.output import Record
from console.reports.parameters import parameter

if TYPE_CHECKING:
    from payments.core.close import MonthSum
    from payments.journeys.closing import CloseWarning, MonthRow


@dataclass(frozen=True, kw_only=True)
class MonthsParameters:
    """The company whose months are listed."""

    company: str = parameter("Company", "The company's id.", required=True)


MONTHS = Report(
    title="Months",
    columns=(
        Column("company", "Company", wraps=True),
        Column("month", "Month", sort=SortCost.ROWS),
        Column("state", "State", sort=SortCost.ROWS),
        Column("closed_at", "Closed", ColumnKind.MOMENT, sort=SortCost.ROWS),
        Column("payments_total", "Payments total", ColumnKind.MONEY, sort=SortCost.ROWS),
        Column("scheduled_at", "Scheduled", ColumnKind.MOMENT),
        Column("scheduled_by", "Scheduled by", from_width=100, sort=SortCost.ROWS),
    ),
    table=("company", "month", "state", "closed_at", "scheduled_by", "payments_total"),
    page=("month", "state", "payments_total"),
    noun="month",
    empty="No months with payments yet.",
    parameters=MonthsParameters,
)
CLOSE_WARNINGS = Report(
    title="Resolve before closing",
    columns=(
        Column("what", "Problem", wraps=True),
        Column("payment", "Payment", wraps=True, css_class="pay"),
        Column("detail", "Detail", wraps=True, from_width=120),
        Column("amount", "Amount", ColumnKind.MONEY),
    ),
    table=("what", "payment", "detail", "amount"),
    page=("what", "payment", "amount"),
    noun="item",
    empty="No open items in this month.",
    total_of="amount",
)
MONTH_SUMS = Report(
    title="Payments by method, charge type, clinic and user",
    columns=(
        Column("method", "Method"),
        Column("charge_type", "Charge type"),
        Column("clinic", "Clinic", wraps=True),
        Column("user", "User", wraps=True, from_width=100),
        Column("count", "Entries", ColumnKind.COUNT),
        Column("total", "Amount", ColumnKind.MONEY),
    ),
    table=("method", "charge_type", "clinic", "user", "count", "total"),
    noun="row",
    empty="The month has no payments.",
    total_of="total",
    counted_by="count",
)


def month_records(rows: Iterable[MonthRow]) -> list[Record]:
    """Return the months of a company as records."""
    return [asdict(row) for row in rows]


def month_sum_records(sums: Iterable[MonthSum]) -> list[Record]:
    """Return the totals of a month as records: one for each method, each charge type, each clinic and each user."""
    return [each._asdict() | {"count": each.count_of_entries} for each in sums]


def warning_records(warnings: Iterable[CloseWarning]) -> list[Record]:
    """Return what to resolve before a close as records, sorted by kind and payment."""
    records = [_warning_record(each) for each in warnings]
    return sorted(records, key=lambda record: (str(record["what"]), str(record["payment"])))


def _warning_record(warning: CloseWarning) -> Record:
    from payments import wording

    what = f"Exception: {wording.finding_reason(warning.what)}" if warning.is_exception else warning.what
    if warning.refund is not None:
        return asdict(warning) | {"what": f"Refund {what}", "payment": f"refund {warning.refund}"}
    if warning.transfer is not None:
        what = "Transfer of a payment that the EMR has changed"
        return asdict(warning) | {"what": what, "payment": f"transfer {warning.transfer}"}
    if (drawer := warning.drawer) is not None:
        shift = f"{drawer.clinic} {drawer.day} shift {drawer.shift}"
        return asdict(warning) | {"what": f"Drawer {what}, not closed", "payment": shift}
    if (money := warning.undeposited) is not None:
        entries = plural(money.entry_count, "entry", "entries")
        taken = f"{money.clinic} {money.method}"
        return asdict(warning) | {"what": "Money on no deposit", "detail": entries, "payment": taken}
    return asdict(warning) | {"what": what, "detail": wording.detail(warning.detail)}
