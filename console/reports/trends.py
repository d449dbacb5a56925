"""Trends: how much was paid in the EMR, and how much of it is in Billing, by week or by clinic."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers immediately)

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record
from console.reports.parameters import ParameterKind, clinic, company, first_day_field, last_day_field, parameter
from payments.core.scope import Scope

if TYPE_CHECKING:
    from payments.journeys.dashboard import TrendGroup, TrendRow
    from payments.journeys.reporting import FeedFilter

WEEKS_DEFAULT = 12
_DEFAULT_DAYS = "no limit if the other day is given, otherwise the last twelve weeks"


def _group_choices() -> type[TrendGroup]:
    from payments.journeys.dashboard import TrendGroup

    return TrendGroup


@dataclass(frozen=True, kw_only=True)
class TrendsParameters:
    """Filters of the trends. Days are save dates in the clinics' time zones."""

    since: date | None = first_day_field("Saved from", default=_DEFAULT_DAYS)
    until: date | None = last_day_field(default=_DEFAULT_DAYS)
    group_by: TrendGroup | None = parameter(
        "Group by",
        "One row for each `week` or `clinic`. Default: week.",
        ParameterKind.CHOICE,
        choices=_group_choices,
        any_label="Week",
    )
    clinic: str | None = clinic()
    company: str | None = company()

    def to_filter(self, scope: Scope) -> FeedFilter:
        """Return these parameters as a filter of the ledger, limited to `scope`."""
        from payments.journeys.reporting import FeedFilter

        return FeedFilter(since=self.since, until=self.until, scope=scope.narrowed_to_company(self.company))

    @property
    def group(self) -> TrendGroup:
        """The group of each row: a week or a clinic."""
        return self.group_by or _group_choices().WEEK


TRENDS = Report(
    title="Trends",
    columns=(
        Column("week", "Week of", ColumnKind.DATE),
        Column("company", "Company"),
        Column("clinic", "Clinic"),
        Column("count", "Payments", ColumnKind.COUNT),
        Column("paid", "Paid in the EMR", ColumnKind.MONEY),
        Column("in_billing", "In Billing", ColumnKind.MONEY),
        Column("not_in_billing_count", "Payments not in Billing", ColumnKind.COUNT),
        Column("not_in_billing", "Not in Billing", ColumnKind.MONEY),
        Column("internal", "Internal Payments", ColumnKind.MONEY),
        Column("share", "In Billing, %", ColumnKind.COUNT),
    ),
    table=("week", "company", "clinic", "count", "paid", "in_billing", "not_in_billing", "internal", "share"),
    noun="row",
    empty="No payments in this period.",
    total_of="paid",
    parameters=TrendsParameters,
)


def with_period(feed_filter: FeedFilter, today: date) -> FeedFilter:
    """Limit a filter to the last twelve weeks. A filter with a first or last day is returned unchanged."""
    if feed_filter.since or feed_filter.until:
        return feed_filter
    return replace(feed_filter, since=today - timedelta(days=today.weekday(), weeks=WEEKS_DEFAULT - 1), until=today)


def trend_records(rows: Iterable[TrendRow]) -> list[Record]:
    """Return the trends as records."""
    return [asdict(row) | {"share": None if row.share is None else f"{row.share}"} for row in rows]
