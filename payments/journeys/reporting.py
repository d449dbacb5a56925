"""Read the reports, whole or a page at a time, and the current backlog.

A whole report is an iterator that reads from the database row by row, so its transaction has to stay open. Pages and
commands import the types of the reports from here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from payments.contract.errors import dead_letter_id
from payments.core.finding import FindingStatus
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.connection import Transaction
from payments.store.feed import backlog, printed_keys
from payments.store.feed.backlog import Backlog
from payments.store.feed.feed_filter import FeedFilter
from payments.store.reports import claims_feed as feed_report
from payments.store.reports import exceptions as exception_report
from payments.store.reports import payment_log as log_report
from payments.store.reports import timeline as timeline_report
from payments.store.reports.account import AppliedRow
from payments.store.reports.claims_feed import FeedCursor, FeedRow, FeedSum, PositionedFeedRow
from payments.store.reports.exceptions import ExceptionCount, ExceptionFilter, ExceptionRow
from payments.store.reports.payment_log import GroupBy, LogCursor, LogFilter, LogRow, LogSum, PositionedLogRow
from payments.store.reports.timeline import TimelineRow

__all__ = [
    "AppliedRow",
    "Backlog",
    "ExceptionCount",
    "ExceptionFilter",
    "ExceptionRow",
    "FeedCursor",
    "FeedFilter",
    "FeedRow",
    "FeedSum",
    "GroupBy",
    "LogCursor",
    "LogFilter",
    "LogRow",
    "LogSum",
    "PositionedFeedRow",
    "PositionedLogRow",
    "TimelineRow",
]

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[_Row]):
    """Rows of a report, and whether more rows come after them."""

    rows: Sequence[_Row]
    has_more: bool


def claims_feed(tx: Transaction, feed_filter: FeedFilter) -> Iterator[FeedRow]:
    """Yield the Claims Feed, oldest save first: one row per line, with its newest version."""
    return feed_report.stream(tx, feed_filter)


def claims_feed_page(
    tx: Transaction, feed_filter: FeedFilter, after: FeedCursor | None, limit: int
) -> Page[PositionedFeedRow]:
    """Return a page of the Claims Feed, newest save first."""
    return _page(feed_report.read_page(tx, feed_filter, after, limit + 1), limit)


def claims_feed_sums(tx: Transaction, feed_filter: FeedFilter) -> list[FeedSum]:
    """Return the Claims Feed summed by status and reason."""
    return feed_report.sums(tx, feed_filter)


def payment_log(tx: Transaction, log_filter: LogFilter) -> Iterator[LogRow]:
    """Yield the Patient Payment Log by deposit date: one row per ledger entry."""
    return log_report.stream(tx, log_filter)


def expanded_payment_log(tx: Transaction, log_filter: LogFilter) -> Iterator[tuple[LogRow, Sequence[AppliedRow]]]:
    """Yield the rows of `payment_log`, each with the charges that its payment was applied to."""
    return log_report.stream_applied(tx, log_filter)


def payment_log_page(
    tx: Transaction, log_filter: LogFilter, after: LogCursor | None, limit: int
) -> Page[PositionedLogRow]:
    """Return a page of the Patient Payment Log, newest deposit first."""
    return _page(log_report.read_page(tx, log_filter, after, limit + 1), limit)


def payment_log_sums(tx: Transaction, log_filter: LogFilter, group_by: GroupBy) -> list[LogSum]:
    """Return the Patient Payment Log summed by one of its columns."""
    return log_report.sums(tx, log_filter, group_by)


def exceptions(tx: Transaction, exception_filter: ExceptionFilter) -> Iterator[ExceptionRow]:
    """Yield the Billing Exceptions, oldest first."""
    return exception_report.stream(tx, exception_filter)


def exceptions_page(tx: Transaction, exception_filter: ExceptionFilter, after: int, limit: int) -> Page[ExceptionRow]:
    """Return a page of the Billing Exceptions with ids above `after`, oldest first."""
    return _page(exception_report.read_page(tx, exception_filter, after, limit + 1), limit)


def exception_counts(tx: Transaction, exception_filter: ExceptionFilter) -> list[ExceptionCount]:
    """Return the number of open exceptions of each kind; nothing if the filter asks for another status.

    The number of ended exceptions grows without limit, so counting them would slow down every page.
    """
    return exception_report.counts(tx, exception_filter) if exception_filter.status is FindingStatus.OPEN else []


def exception(tx: Transaction, finding_id: int, scope: Scope = EVERYTHING) -> ExceptionRow | None:
    """Return one Billing Exception, or None if there is none with this id in the scope."""
    return exception_report.read_one(tx, finding_id, scope)


def timeline(tx: Transaction, key: str, scope: Scope = EVERYTHING) -> Sequence[TimelineRow]:
    """Return the history of the payment with this printed key; empty if there is none in the scope.

    Raises AmbiguousIdError if several companies of the scope have the key.
    """
    refused_id = dead_letter_id(key)
    if refused_id is not None:
        return timeline_report.read(tx, (), printed_keys.dead_letters_in_scope(tx, (refused_id,), scope))
    named = printed_keys.find(tx, [key], scope)[key]
    return timeline_report.read(tx, named.keys, named.dead_letter_ids)


def load_backlog(tx: Transaction, now: datetime) -> Backlog:
    """Count the payments that are due now and those that wait for a later retry."""
    return backlog.load(tx, now)


def _page(rows: Sequence[_Row], limit: int) -> Page[_Row]:
    return Page(rows[:limit], len(rows) > limit)
