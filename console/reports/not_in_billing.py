"""The payments that are not fully in Billing, by cause: their number, amounts and the oldest payment."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers immediately)

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record, Value
from console.reports.parameters import clinic, company, first_day_field, last_day_field
from payments.core.scope import Scope

if TYPE_CHECKING:
    from datetime import date, datetime

    from payments.journeys.reporting import FeedFilter, UnpostedSum


@dataclass(frozen=True, kw_only=True)
class NotInBillingParameters:
    """Filters of the payments that are not in Billing. Days are save dates in the clinics' time zones."""

    since: date | None = first_day_field("Saved from")
    until: date | None = last_day_field()
    clinic: str | None = clinic()
    company: str | None = company()

    def to_filter(self, scope: Scope) -> FeedFilter:
        """Return these parameters as a filter of the ledger, limited to `scope`."""
        from payments.journeys.reporting import FeedFilter

        return FeedFilter(since=self.since, until=self.until, scope=scope.narrowed_to_company(self.company))


def _cause_text(record: Record) -> Value:
    from payments import posted_wording

    reason = record["reason"]
    return posted_wording.posted_cause(str(record["posted"]), str(reason) if reason else None)


NOT_IN_BILLING_REPORT = Report(
    title="Payments not in Billing",
    columns=(
        Column("posted", "Cause", wraps=True, text=_cause_text),
        Column("reason", "Reason"),
        Column("count", "Payments", ColumnKind.COUNT),
        Column("emr_amount", "Amount in the EMR", ColumnKind.MONEY),
        Column("posted_amount", "Amount in Billing", ColumnKind.MONEY),
        Column("difference", "Not in Billing", ColumnKind.MONEY),
        Column("oldest_at", "Oldest", ColumnKind.MOMENT),
        Column("age_days", "Age in days", ColumnKind.COUNT),
    ),
    table=("posted", "count", "emr_amount", "posted_amount", "difference", "oldest_at", "age_days"),
    page=("posted", "count", "difference", "oldest_at"),
    noun="payment",
    empty="All payments are in Billing.",
    total_of="difference",
    counted_by="count",
    parameters=NotInBillingParameters,
)


def unposted_records(sums: Iterable[UnpostedSum], now: datetime) -> list[Record]:
    """Return the sums as records, in the same order. `age_days` is the age in days of the oldest payment."""
    return [asdict(each) | {"age_days": max(0, (now - each.oldest_at).days)} for each in sums]
