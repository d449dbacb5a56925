"""The reports of deposits: the list of deposits, the entries of one, and the entries that are on none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record
from console.reports.parameters import ParameterKind, clinic, company, first_day_field, last_day_field, parameter

if TYPE_CHECKING:
    from datetime import date

    from payments.core.scope import Scope
    from payments.journeys.deposits import DepositEntry, DepositFilter, StoredDeposit, UndepositedFilter


def _methods() -> Iterable[StrEnum]:
    from payments.contract.event import Method  # noqa: PLC0415 (keeps `payments --help` fast)

    return Method


@dataclass(frozen=True, kw_only=True)
class DepositsParameters:
    """The clinic, the method and the days of the deposits that a list shows."""

    clinic: str | None = clinic()
    method: str | None = parameter("Method", "This payment method only.", ParameterKind.CHOICE, choices=_methods)
    since: date | None = first_day_field(day="day of the deposit")
    until: date | None = last_day_field("day of the deposit")
    company: str | None = company()

    def to_filter(self, scope: Scope) -> DepositFilter:
        """Return these parameters as a filter of deposits, limited to `scope`."""
        from payments.journeys.deposits import DepositFilter  # noqa: PLC0415 (as above)

        return DepositFilter(self.since, self.until, self.method, scope)


@dataclass(frozen=True, kw_only=True)
class UndepositedParameters:
    """The clinic, the method and the deposit dates of the entries to deposit."""

    clinic: str | None = clinic()
    method: str | None = parameter("Method", "This payment method only.", ParameterKind.CHOICE, choices=_methods)
    since: date | None = first_day_field(day="deposit date")
    until: date | None = last_day_field("deposit date")
    company: str | None = company()

    def to_filter(self, scope: Scope) -> UndepositedFilter:
        """Return these parameters as a filter of entries, limited to `scope`."""
        from payments.journeys.deposits import UndepositedFilter  # noqa: PLC0415 (as above)

        return UndepositedFilter(self.since, self.until, self.method, scope)


DEPOSITS = Report(
    title="Deposits",
    columns=(
        Column("id", "Deposit", ColumnKind.COUNT, css_class="key"),
        Column("company", "Company"),
        Column("clinic", "Clinic"),
        Column("day", "Day", ColumnKind.DATE),
        Column("method", "Method"),
        Column("bank_account", "Bank account", wraps=True),
        Column("count", "Entries", ColumnKind.COUNT),
        Column("total", "Total", ColumnKind.MONEY),
        Column("user", "Made by", from_width=100),
        Column("made_at", "Made", ColumnKind.MOMENT, from_width=160),
        Column("reverses", "Reverses", ColumnKind.COUNT),
        Column("reversed_by", "Reversed by", ColumnKind.COUNT),
        Column("reason", "Reason", wraps=True, css_class="why"),
    ),
    table=("id", "clinic", "day", "method", "bank_account", "user", "reverses", "reversed_by", "count", "total"),
    noun="deposit",
    empty="No deposits.",
    total_of="total",
    parameters=DepositsParameters,
)
_ENTRY_COLUMNS = (
    Column("entry", "Entry", ColumnKind.COUNT, css_class="key"),
    Column("payment", "Payment", wraps=True, css_class="pay"),
    Column("company", "Company"),
    Column("patient", "Patient", wraps=True),
    Column("patient_name", "Name"),
    Column("reference", "Check number"),
    Column("charge_type", "Charge type", from_width=120),
    Column("deposit_date", "Deposit date", ColumnKind.DATE),
    Column("kind", "Kind"),
    Column("amount", "Amount", ColumnKind.MONEY),
)
DEPOSIT_ENTRIES = Report(
    title="Entries of the deposit",
    columns=_ENTRY_COLUMNS,
    table=("payment", "patient", "reference", "charge_type", "deposit_date", "kind", "amount"),
    noun="entry",
    empty="No entries.",
    total_of="amount",
)
UNDEPOSITED = Report(
    title="Entries to deposit",
    columns=_ENTRY_COLUMNS,
    table=("entry", "payment", "patient", "reference", "charge_type", "deposit_date", "kind", "amount"),
    page=("payment", "patient", "reference", "charge_type", "deposit_date", "kind", "amount"),
    noun="entry",
    empty="No entries to deposit.",
    total_of="amount",
    parameters=UndepositedParameters,
)


def deposit_records(rows: Iterable[StoredDeposit]) -> list[Record]:
    """Return deposits as records."""
    return [
        {
            "id": row.id,
            "company": row.company_id,
            "clinic": row.clinic_id,
            "day": row.day,
            "method": row.method,
            "bank_account": row.bank_account,
            "count": row.entry_count,
            "total": row.total,
            "user": row.made_by,
            "made_at": row.made_at,
            "reverses": row.reverses,
            "reversed_by": row.reversed_by,
            "reason": row.reason,
        }
        for row in rows
    ]


def entry_records(rows: Iterable[DepositEntry]) -> list[Record]:
    """Return the entries of a deposit, or entries to deposit, as records."""
    return [_entry_record(row) for row in rows]


def _entry_record(row: DepositEntry) -> Record:
    values = row._asdict()
    return {"entry": values.pop("id"), **values, "kind": row.kind.value}
