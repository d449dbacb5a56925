"""The overview: a day's payments by status and by hour, unsuccessful payments, open exceptions, and the feed's lag.

Users who see all companies see the lag. A waiting entry may be of any company.
"""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response

from console.web.auth import Viewer
from console.web.charts import flow_chart
from console.web.context import FeedFigures
from console.web.filters import FIRST_DAY, Day, PageQuery
from console.web.rendering import format_age
from payments.core.scope import EVERYTHING
from payments.journeys import dashboard

router = APIRouter(include_in_schema=False)


class _OverviewQuery(PageQuery):
    day: Day | None = None


@router.get("/")
def overview(choice: Annotated[_OverviewQuery, Query()], context: Viewer) -> Response:
    """Show the overview of a day, by default today."""
    day = choice.day or context.today
    with context.transaction() as tx:
        seen = dashboard.overview(tx, day, context.user.scope, context.now.astimezone(context.zone))
    # The feed holds the entries of all companies, so its figures are only for those who see all.
    shows_feed = context.user.scope == EVERYTHING
    figures = context.app.feed_figures(context.now) if shows_feed else None
    return context.page(
        "overview.html",
        seen=seen,
        chart=flow_chart(seen.flow),
        shows_feed=shows_feed,
        figures=figures.stats if figures else None,
        lag=_lag(figures),
        day=day,
        day_before=day - timedelta(days=1) if day > FIRST_DAY else None,
        day_after=day + timedelta(days=1) if day < context.today else None,
        is_today=day == context.today,
        open_exceptions=sum(each.count for each in seen.exceptions),
    )


def _lag(figures: FeedFigures | None) -> str:
    if figures is None:
        return "Payment queue unavailable. Tell an operator."
    return "none" if figures.lag is None else format_age(figures.lag)
