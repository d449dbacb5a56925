"""The reports of drawers: the list of drawers, the balance of one drawer by method, and its payments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record
from console.reports.parameters import clinic, company, first_day_field, last_day_field

if TYPE_CHECKING:
    from datetime import date

    from payments.core.scope import Scope
    from payments.journeys.drawers import DrawerFilter, DrawerLine, DrawerSummary

KIND_WORDS = {"of_day": "of the day", "late": "of an earlier day", "change": "change"}
"""By code, why a payment is in a drawer."""


@dataclass(frozen=True, kw_only=True)
class DrawersParameters:
    """The clinic and the days of the drawers that a list shows."""

    clinic: str | None = clinic()
    since: date | None = first_day_field()
    until: date | None = last_day_field()
    company: str | None = company()

    def to_filter(self, scope: Scope) -> DrawerFilter:
        """Return these parameters as a filter of drawers, limited to `scope`."""
        from payments.journeys.drawers import DrawerFilter  # noqa: PLC0415 (keeps `payments --help` fast)

        return DrawerFilter(self.since, self.until, scope)


DRAWERS = Report(
    title="Drawers",
    columns=(
        Column("id", "Drawer", ColumnKind.COUNT, css_class="key"),
        Column("company", "Company"),
        Column("clinic", "Clinic"),
        Column("day", "Day", ColumnKind.DATE),
        Column("shift", "Shift", ColumnKind.COUNT),
        Column("state", "State"),
        Column("starting_cash", "Starting cash", ColumnKind.MONEY),
        Column("expected", "Expected", ColumnKind.MONEY),
        Column("counted", "Counted", ColumnKind.MONEY),
        Column("difference", "Over/short", ColumnKind.MONEY),
        Column("reason", "Reason", wraps=True, css_class="why"),
        Column("opened_at", "Opened", ColumnKind.MOMENT),
        Column("opened_by", "Opened by"),
        Column("locked_at", "Locked", ColumnKind.MOMENT),
        Column("counted_by", "Counted by", from_width=120),
        Column("closed_at", "Closed", ColumnKind.MOMENT),
        Column("closed_by", "Closed by", from_width=120),
    ),
    table=("id", "clinic", "day", "shift", "state", "counted_by", "closed_by", "expected", "counted", "difference"),
    noun="drawer",
    empty="No drawers.",
    parameters=DrawersParameters,
)
DRAWER_METHODS = Report(
    title="By method",
    columns=(
        Column("method", "Method"),
        Column("starting", "Starting cash", ColumnKind.MONEY),
        Column("payments", "Payments", ColumnKind.MONEY),
        Column("expected", "Expected", ColumnKind.MONEY),
        Column("counted", "Counted", ColumnKind.MONEY),
        Column("difference", "Over/short", ColumnKind.MONEY),
    ),
    table=("method", "starting", "payments", "expected", "counted", "difference"),
    noun="method",
    empty="No methods.",
)
DRAWER_PAYMENTS = Report(
    title="Payments of the drawer",
    columns=(
        Column("payment", "Payment", wraps=True, css_class="pay"),
        Column("company", "Company"),
        Column("clinic", "Clinic"),
        Column("patient", "Patient", wraps=True),
        Column("patient_name", "Name"),
        Column("method", "Method"),
        Column("reference", "Check number"),
        Column("charge_type", "Charge type", from_width=120),
        Column("transaction_date", "Transaction date", ColumnKind.DATE),
        Column("kind", "Kind", text=lambda record: KIND_WORDS[str(record["kind"])]),
        Column("amount", "Amount", ColumnKind.MONEY),
    ),
    table=("payment", "patient", "method", "reference", "charge_type", "transaction_date", "kind", "amount"),
    noun="payment",
    empty="No payments.",
    total_of="amount",
)


def drawer_records(rows: Iterable[DrawerSummary]) -> list[Record]:
    """Return drawers as records. The amounts of an open drawer are None: they change with each payment."""
    return [_record(row) for row in rows]


def method_records(found: DrawerSummary) -> list[Record]:
    """Return the balance of each method as records."""
    return [
        {
            "method": each.method.value,
            "starting": each.starting,
            "payments": each.payments,
            "expected": each.expected,
            "counted": each.counted,
            "difference": each.difference,
        }
        for each in found.methods
    ]


def payment_records(lines: Iterable[DrawerLine]) -> list[Record]:
    """Return the payments of a drawer as records."""
    return [{**line._asdict(), "method": line.method.value, "kind": line.kind.value} for line in lines]


def _record(row: DrawerSummary) -> Record:
    drawer, last = row.drawer, row.last_count
    return {
        "id": drawer.id,
        "company": drawer.company_id,
        "clinic": drawer.clinic_id,
        "day": drawer.day,
        "shift": drawer.shift,
        "state": row.state.value,
        "starting_cash": drawer.starting_cash,
        "expected": row.expected if last else None,
        "counted": row.counted,
        "difference": row.difference,
        "reason": (last.count.reason or None) if last else None,
        "opened_at": drawer.opened_at,
        "opened_by": drawer.opened_by,
        "locked_at": drawer.locked_at,
        "counted_by": last.counted_by if last else None,
        "closed_at": drawer.closed_at,
        "closed_by": drawer.closed_by,
    }
