"""Trends: the payments of the last weeks by week or clinic, and the size of the work queues by day."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from markupsafe import Markup

from console.reports.trends import TRENDS, TrendsParameters, trend_records, with_period
from console.web.auth import Exporter, Viewer
from console.web.charts import Slot, bar_chart
from console.web.exporting import FileFormat, send_records
from console.web.filters import ReportQuery, report_query
from console.web.pages.choices import list_offered_ids
from payments.journeys import dashboard, snapshotting
from payments.journeys.dashboard import TrendGroup, TrendRow
from payments.journeys.snapshotting import Queue, QueueSize

router = APIRouter(include_in_schema=False)

QUEUE_DAYS = 30
MONEY_SERIES = (("imported", "In Billing"), ("not_sent", "Not in Billing"), ("retried", "Internal Payments"))
QUEUE_SERIES = (("not_sent", "Payments not in Billing"), ("saved", "Open exceptions"))


TrendsQuery = Annotated[ReportQuery[TrendsParameters], Depends(report_query(TrendsParameters, is_paged=False))]


@router.get("/trends")
def show(query: TrendsQuery, context: Viewer) -> Response:
    """Show the payments by week or clinic, and the sizes of the work queues on the last days."""
    chosen = query.parameters
    whole = chosen.to_filter(context.scope_of(query.choice))
    today = context.today_in(whole.scope)
    feed_filter = with_period(whole, today)
    with context.transaction() as tx:
        rows = dashboard.trends(tx, feed_filter, chosen.group)
        queues = snapshotting.queue_sizes(tx, today - timedelta(days=QUEUE_DAYS), today, feed_filter.scope)
        offered = list_offered_ids(tx, context)
    days = _by_day(queues)
    return context.page(
        "trends.html",
        report=TRENDS,
        chosen=chosen,
        offered=offered,
        rows=rows,
        period=feed_filter,
        one_week=timedelta(days=6),
        money_series=MONEY_SERIES,
        money_chart=_money_chart(rows) if chosen.group is TrendGroup.WEEK else None,
        queue_series=QUEUE_SERIES,
        days=days,
        queue_chart=_queue_chart(days),
    )


@router.get("/trends/export")
def export(query: TrendsQuery, context: Exporter, form: FileFormat = FileFormat.CSV) -> Response:
    """Export the payments by week or clinic as a file."""
    whole = query.parameters.to_filter(context.scope_of(query.choice))
    feed_filter = with_period(whole, context.today_in(whole.scope))
    with context.transaction() as tx:
        records = trend_records(dashboard.trends(tx, feed_filter, query.parameters.group))
    return send_records(context, TRENDS, form, records, query.parameters.clinic or "")


def _money_chart(rows: Iterable[TrendRow]) -> Markup:
    slots = [
        Slot(
            f"{row.week:%b %d}",
            f"Week of {row.week}",
            {"imported": int(row.in_billing), "not_sent": int(row.not_in_billing), "retried": int(row.internal)},
        )
        for row in rows
    ]
    return bar_chart("Amount by week", MONEY_SERIES, slots, unit="$", empty="No payments in this period.")


def _by_day(queues: Iterable[QueueSize]) -> dict[date, dict[str, int]]:
    """Return the number of items in each queue by day."""
    days: dict[date, dict[str, int]] = {}
    for each in queues:
        of_day = days.setdefault(each.day, dict.fromkeys(Queue, 0))
        of_day[each.queue] += each.count
    return days


def _queue_chart(days: Mapping[date, Mapping[str, int]]) -> Markup:
    slots = [
        Slot(f"{day:%b %d}", str(day), {"not_sent": sizes[Queue.NOT_IN_BILLING], "saved": sizes[Queue.EXCEPTIONS]})
        for day, sizes in days.items()
    ]
    return bar_chart("Work queues by day", QUEUE_SERIES, slots, empty="The first snapshot is taken tonight.")
