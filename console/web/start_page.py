"""The parts of the start page. The role of the user decides which parts are shown, and in which order."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from console.web.context import RequestContext
from payments.access import authentication
from payments.access.rights import Role
from payments.core.posted import PostedFilter
from payments.core.sorting import Window
from payments.journeys import closing, confirming, reporting, requeue_runs
from payments.journeys.closing import DueMonth
from payments.journeys.operations import read_operations
from payments.journeys.reporting import FeedFilter
from payments.store.db.connection import Transaction

ROWS_MAX = 10

PARTS = {
    Role.FRONT_OFFICE: ("unposted_today", "today", "unposted"),
    Role.BILLING: ("work_queue", "unposted", "months", "exceptions", "today"),
    Role.SUPPORT: ("unposted", "runs", "today"),
    Role.OPERATOR: ("nightly", "unposted", "runs", "today"),
    Role.ADMIN: ("unposted", "new_ids", "work_queue", "months", "nightly", "exceptions", "today"),
}
"""By role: the parts of the start page, in order."""


class PartRequest(NamedTuple):
    """The input of a part: the transaction, the context of the request, and the day that the page shows."""

    tx: Transaction
    context: RequestContext
    day: date


@dataclass(frozen=True)
class WorkCount:
    """The number of open exceptions in a work list.

    `work` is the value that selects the list in the filter of Billing Exceptions. It is empty for all exceptions.
    """

    label: str
    work: str
    count: int


class NewIds(NamedTuple):
    """The number of unconfirmed companies, clinics and patients, and the number of users who may log in."""

    unconfirmed: int
    users: int


def read_part(name: str, request: PartRequest) -> Any:
    """Return the data of the part with this name."""
    return _READER_BY_PART[name](request)


def _unposted_today(request: PartRequest) -> Any:
    scope = request.context.user.scope
    feed_filter = FeedFilter(since=request.day, until=request.day, posted=PostedFilter.NOT_IN_BILLING, scope=scope)
    page = reporting.claims_feed_page(request.tx, feed_filter, Window(ROWS_MAX))
    return {"day": request.day, "rows": [each.row for each in page.rows], "has_more": page.has_more}


def _work_queue(request: PartRequest) -> list[WorkCount]:
    user = request.context.user
    found = reporting.exception_work(request.tx, user.scope, user.name, request.context.now)
    return [
        WorkCount("Mine", "mine", found.mine),
        WorkCount("No owner", "unassigned", found.unassigned),
        WorkCount("Overdue", "overdue", found.overdue),
        WorkCount("All open", "", found.open),
    ]


def _months(request: PartRequest) -> list[DueMonth]:
    scope = request.context.user.scope
    if scope.clinics is not None:  # months are those of whole companies
        return []
    return closing.months_to_close(request.tx, scope, request.context.now, ROWS_MAX)


def _runs(request: PartRequest) -> Any:
    return requeue_runs.list_runs(request.tx, request.context.user.scope, None, ROWS_MAX).runs


def _nightly(request: PartRequest) -> Any:
    found = read_operations(request.tx, request.context.now, request.context.user.scope)
    return [each for each in found.nightly if each.has_problem]


def _new_ids(request: PartRequest) -> NewIds:
    unconfirmed = confirming.list_unconfirmed(request.tx, request.context.user.scope)
    users = [each for each in authentication.list_users(request.tx) if each.disabled_at is None]
    return NewIds(sum(each.retired_by is None for each in unconfirmed), len(users))


_READER_BY_PART: dict[str, Callable[[PartRequest], Any]] = {
    "unposted_today": _unposted_today,
    "work_queue": _work_queue,
    "months": _months,
    "runs": _runs,
    "nightly": _nightly,
    "new_ids": _new_ids,
}
