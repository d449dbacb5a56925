"""The Patient Payment Log in three forms: entries, entries with the charges that they pay, and sums by a column."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers immediately)

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report, SortCost
from console.reports.output import NestedRecord, Record, Value, nested_records
from console.reports.parameters import (
    ParameterKind,
    as_of,
    clinic,
    company,
    first_day_field,
    last_day_field,
    parameter,
    period,
    sort_by,
)
from payments.core.scope import Scope
from payments.core.sorting import Sort

if TYPE_CHECKING:
    from datetime import date, datetime
    from enum import StrEnum

    from payments.contract.event import ChargeType, Method
    from payments.core.line import EntryKind
    from payments.core.period import Period
    from payments.journeys.reporting import AppliedRow, GroupBy, PaymentLogFilter, PaymentLogRow, PaymentLogSum

GROUPS = "charge_type|deposit_date|method|clinic|user"
"""The columns by which rows can be summed, for the help text."""


def _charge_type_choices() -> type[ChargeType]:
    from payments.contract.event import ChargeType

    return ChargeType


def _method_type() -> type[Method]:
    from payments.contract.event import Method

    return Method


def _entry_kind_type() -> type[EntryKind]:
    from payments.core.line import EntryKind

    return EntryKind


def _group_choices() -> type[GroupBy]:
    from payments.journeys.reporting import GroupBy

    return GroupBy


def _sort_choices() -> list[Sort]:
    return PAYMENT_LOG.sorts


@dataclass(frozen=True, kw_only=True)
class PaymentLogParameters:
    """Filters of the Patient Payment Log, and the column by which rows are summed. Days are deposit dates."""

    since: date | None = first_day_field("Deposit date from")
    until: date | None = last_day_field()
    period: Period | None = period()
    clinic: str | None = clinic()
    company: str | None = company()
    patient: str | None = parameter("Patient", "This patient only.", size=12, is_search=True)
    charge_type: ChargeType | None = parameter(
        "Charge type", "This charge type only.", ParameterKind.CHOICE, choices=_charge_type_choices
    )
    method: Method | None = parameter("Method", "This payment method only.", ParameterKind.CHOICE, choices=_method_type)
    kind: EntryKind | None = parameter(
        "Kind", "Entries of this kind only.", ParameterKind.CHOICE, choices=_entry_kind_type, is_advanced=True
    )
    user: str | None = parameter("User", "Entries of this user only, as the log prints it.", is_advanced=True)
    as_of: datetime | None = as_of()
    group_by: GroupBy | None = parameter(
        "Group by",
        "Show one row per value, with count and total.",
        ParameterKind.CHOICE,
        choices=_group_choices,
        metavar=GROUPS,
        any_label="None",
    )
    sort: StrEnum | None = sort_by(_sort_choices)

    def to_filter(self, scope: Scope) -> PaymentLogFilter:
        """Return these parameters as a filter of the ledger, limited to `scope`."""
        from payments.journeys.reporting import PaymentLogFilter

        return PaymentLogFilter(
            patient_id=self.patient,
            since=self.since,
            until=self.until,
            user=self.user,
            as_of=self.as_of,
            charge_type=self.charge_type,
            method=self.method,
            kind=self.kind,
            scope=scope.narrowed_to_company(self.company),
        )


PAYMENT_LOG = Report(
    title="Patient Payment Log",
    columns=(
        Column("payment", "Payment", wraps=True, css_class="pay"),
        Column("patient", "Patient", from_width=120, wraps=True, css_class="whose", sort=SortCost.ROWS),
        Column("charge_type", "Charge type", sort=SortCost.ROWS),
        Column("amount", "Amount", ColumnKind.MONEY, sort=SortCost.ROWS),
        Column("method", "Method", from_width=100, css_class="brief", sort=SortCost.ROWS),
        Column("deposit_date", "Deposit date", ColumnKind.DATE, sort=SortCost.INDEX),
        Column("posting_date", "Posting date", ColumnKind.DATE, from_width=150, css_class="wide", sort=SortCost.ROWS),
        Column("kind", "Kind", from_width=160, sort=SortCost.ROWS),
        Column("user", "User", from_width=190, css_class="quiet wide brief", sort=SortCost.ROWS),
        Column("unassigned", "Unassigned", ColumnKind.MONEY, from_width=140),
        Column("company", "Company", sort=SortCost.ROWS),
        Column("patient_name", "Name", from_width=200, wraps=True),
        Column("clinic", "Clinic", sort=SortCost.ROWS),
        Column("reference", "Check number", sort=SortCost.ROWS),
        Column("entry", "Entry", from_width=210),
        Column("reverses", "Reverses entry", from_width=210),
        Column("reason", "Reason", from_width=210, wraps=True),
    ),
    table=(
        *(
            "payment",
            "patient",
            "patient_name",
            "charge_type",
            "method",
            "deposit_date",
            "posting_date",
            "kind",
            "user",
        ),
        *("entry", "reverses", "reason", "unassigned", "amount"),
    ),
    # A page shows the name beside the id, and what an entry reverses beside its kind.
    page=(
        *("payment", "patient", "charge_type", "method", "deposit_date", "posting_date", "kind", "user"),
        *("unassigned", "amount"),
    ),
    noun="row",
    empty="No matching payments.",
    total_of="amount",
    parameters=PaymentLogParameters,
    order=Sort("deposit_date", is_descending=True),
)


def _applied_in_short(record: Record) -> Value:
    return [f"{each['date_of_service']}: {each['amount']}" for each in nested_records(record["applied"])]


_APPLIED_AT = PAYMENT_LOG.keys.index("company")
EXPANDED_PAYMENT_LOG = replace(
    PAYMENT_LOG,
    columns=(
        *PAYMENT_LOG.columns[:_APPLIED_AT],
        Column("applied", "Charges", wraps=True, text=_applied_in_short),
        *PAYMENT_LOG.columns[_APPLIED_AT:],
    ),
    table=(*PAYMENT_LOG.table, "applied"),
)


def payment_log_sums(group: str) -> Report:
    """Return the report that shows the sum of the Patient Payment Log for each value of the column `group`."""
    words = group.replace("_", " ")
    return Report(
        title=f"Patient Payment Log by {words}",
        columns=(
            Column(group, words.capitalize(), wraps=True),
            Column("count", "Entries", ColumnKind.COUNT),
            Column("total", "Amount", ColumnKind.MONEY),
        ),
        table=(group, "count", "total"),
        noun="row",
        empty=PAYMENT_LOG.empty,
        total_of="total",
        counted_by="count",
        parameters=PaymentLogParameters,
    )


def log_records(rows: Iterable[PaymentLogRow]) -> Iterator[Record]:
    """Yield the rows of the Patient Payment Log as records."""
    return (row._asdict() for row in rows)


def expanded_log_records(rows: Iterable[tuple[PaymentLogRow, Sequence[AppliedRow]]]) -> Iterator[Record]:
    """Yield the entries as records. Each record lists the charges to which the entry's payment was applied."""
    return ({**row._asdict(), "applied": [*map(_applied_record, applied)]} for row, applied in rows)


def _applied_record(row: AppliedRow) -> NestedRecord:
    return {"date_of_service": row.date_of_service.isoformat(), "charge": row.charge, "amount": f"{row.amount:.2f}"}


def log_sum_records(sums: Iterable[PaymentLogSum], group: str) -> list[Record]:
    """Return the sums of the Patient Payment Log as records."""
    return [{group: each.key, "count": each.count, "total": each.total} for each in sums]
