"""The start page: the payments that are not in Billing, and the parts for the role of the user.

Only users who see all companies see the number of waiting events, because a waiting event may belong to any company.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Response
from markupsafe import Markup

from console.web.auth import Viewer
from console.web.charts import SERIES, flow_chart
from console.web.context import FeedFigures, RequestContext
from console.web.filters import FIRST_DAY, Day, PageQuery
from console.web.formats import format_age
from console.web.start_page import PARTS, PartRequest, read_part
from payments.access.rights import Right
from payments.contract.money import Money, total
from payments.core.outcome import Status
from payments.core.posted import PostedState
from payments.core.scope import EVERYTHING
from payments.journeys import choosing, dashboard
from payments.journeys.dashboard import ExceptionAgeCount, HourlyFlow, Overview, UnpostedSum

router = APIRouter(include_in_schema=False)

WAITS_LONG, WAITS_TOO_LONG = timedelta(seconds=15), timedelta(minutes=5)
"""Ages of the oldest waiting event: from the first on, the import is late; from the second on, it is urgent."""


class _OverviewQuery(PageQuery):
    day: Day | None = None


@dataclass(frozen=True)
class _UnpostedPayments:
    """The payments that are not in Billing, summed by cause, oldest cause first. Internal Payments are separate."""

    rows: Sequence[UnpostedSum]
    internal: UnpostedSum | None
    now: datetime

    @classmethod
    def from_sums(cls, sums: Sequence[UnpostedSum], now: datetime) -> "_UnpostedPayments":
        internal = [each for each in sums if each.posted == PostedState.INTERNAL_PAYMENT]
        return cls([each for each in sums if each not in internal], internal[0] if internal else None, now)

    @property
    def count(self) -> int:
        return sum(each.count for each in self.rows)

    @property
    def difference(self) -> Money:
        return total(each.difference for each in self.rows)

    def age(self, row: UnpostedSum) -> timedelta:
        return self.now - row.oldest_at


@dataclass(frozen=True)
class _Today:
    """The payments of a day, by status and by hour."""

    day: date
    zone: ZoneInfo
    feed: Mapping[Status, int]
    flow: Sequence[HourlyFlow]
    queue: FeedFigures | None
    series = SERIES

    @property
    def chart(self) -> Markup:
        return flow_chart(self.flow)


@dataclass(frozen=True)
class _OpenExceptions:
    """The number of open exceptions, by age."""

    ages: Sequence[ExceptionAgeCount]

    @property
    def total(self) -> int:
        return sum(each.count for each in self.ages)


@dataclass(frozen=True)
class _ImportProblem:
    """The reason why no payments arrive at present, and what to do."""

    what: str
    next_step: str
    is_urgent: bool


@router.get("/")
def overview(choice: Annotated[_OverviewQuery, Query()], context: Viewer) -> Response:
    """Show the start page, with the payments of a day. The default is today, in the time zone of the clinics."""
    figures = context.app.feed_figures(context.now)
    with context.transaction() as tx:
        zone = choosing.zone_of(tx, context.user.scope, str(context.zone))
        today = choosing.current_day(tx, context.user.scope, context.now)
        now, day = context.now.astimezone(zone), choice.day or today
        shown = dashboard.overview(tx, day, context.user.scope, now)
        parts = _parts(shown, now, zone, figures if context.user.scope == EVERYTHING else None)
        request = PartRequest(tx, context, day)
        parts |= {name: read_part(name, request) for name in PARTS[context.user.role] if name not in parts}
        is_quiet = not any(shown.feed.values())
        last_day = dashboard.last_saved_day(tx, context.user.scope, day) if is_quiet else None
    return context.page(
        "overview.html",
        shown=[(name, parts[name]) for name in PARTS[context.user.role]],
        import_problem=_import_problem(context, figures),
        day=day,
        day_before=day - timedelta(days=1) if day > FIRST_DAY else None,
        day_after=day + timedelta(days=1) if day < today else None,
        is_today=day == today,
        is_quiet=is_quiet,
        last_day=last_day,
    )


def _parts(figures: Overview, now: datetime, zone: ZoneInfo, queue: FeedFigures | None) -> dict[str, Any]:
    """Return the data of the parts of the start page that show `figures`, by the name of the part.

    `queue` is the state of the feed. It is None for users who may not see the state.
    """
    return {
        "unposted": _UnpostedPayments.from_sums(figures.unposted, now),
        "exceptions": _OpenExceptions(figures.exceptions),
        "today": _Today(figures.day, zone, figures.feed, figures.flow, queue),
    }


def _import_problem(context: RequestContext, figures: FeedFigures | None) -> _ImportProblem | None:
    """Return the reason why payments do not arrive at present, or None if they arrive."""
    next_step = "See Health." if context.may(Right.OPERATE) else "Tell an operator."
    if figures is None:
        return _ImportProblem("The payment feed is unavailable. No payments are arriving.", next_step, is_urgent=True)
    lag = figures.lag
    if lag is None or lag < WAITS_LONG:
        return None
    waiting = figures.stats.undelivered + figures.stats.pending
    number = f" ({waiting:,})" if context.user.scope == EVERYTHING else ""
    what = f"Payments from the EMR are waiting{number}, the oldest for {format_age(lag)}. The import may have stopped."
    return _ImportProblem(what, next_step, is_urgent=lag >= WAITS_TOO_LONG)
