"""Read the reports, as a whole or by page, and the current backlog.

A whole report is an iterator that reads from the database row by row, so its transaction must stay open. A page raises
TooManyToSortError if the list is too long for the chosen order. Pages and commands import the types of the reports from
here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from payments.contract.errors import dead_letter_id
from payments.contract.money import total
from payments.core.finding import FindingStatus
from payments.core.posted import PostedState
from payments.core.scope import EVERYTHING, Scope
from payments.core.sorting import SORTED_ROWS_MAX, Sort, TooManyToSortError, Window
from payments.store.db.connection import Transaction
from payments.store.db.keyset import Page, PositionedRow, read_window
from payments.store.db.time_limit import TimeLimitError, within_time
from payments.store.feed import backlog, printed_keys
from payments.store.feed.backlog import Backlog
from payments.store.feed.feed_filter import FeedFilter
from payments.store.reports import claims_feed as feed_report
from payments.store.reports import exception_life as life_report
from payments.store.reports import exception_queue, posted_sums
from payments.store.reports import exceptions as exception_report
from payments.store.reports import payment_log as log_report
from payments.store.reports import timeline as timeline_report
from payments.store.reports.applied_amounts import AppliedRow
from payments.store.reports.claims_feed import FeedRow, FeedSum
from payments.store.reports.exception_life import DecisionEntry, LifeEvent
from payments.store.reports.exception_queue import ExceptionWork
from payments.store.reports.exceptions import ExceptionCount, ExceptionFilter, ExceptionRow
from payments.store.reports.payment_log import GroupBy, PaymentLogFilter, PaymentLogRow, PaymentLogSum
from payments.store.reports.posted_sums import UnpostedSum
from payments.store.reports.summary import Summary
from payments.store.reports.timeline import PaymentFacts, TimelineRow

FEED_SORTS, LOG_SORTS, EXCEPTION_SORTS = feed_report.SORTS, log_report.SORTS, exception_report.SORTS
"""The columns by which each report can be sorted, with their sort keys."""

__all__ = [
    "AppliedRow",
    "Backlog",
    "DecisionEntry",
    "ExceptionCount",
    "ExceptionFilter",
    "ExceptionLife",
    "ExceptionRow",
    "ExceptionWork",
    "FeedFilter",
    "FeedRow",
    "FeedSum",
    "GroupBy",
    "LifeEvent",
    "Page",
    "PaymentLogFilter",
    "PaymentLogRow",
    "PaymentLogSum",
    "PositionedRow",
    "Sort",
    "Summary",
    "TimeLimitError",
    "TimelineRow",
    "TooManyToSortError",
    "UnpostedSum",
    "Window",
    "within_time",
]


@dataclass(frozen=True, slots=True)
class ExceptionLife:
    """A Billing Exception, its events in order, and the entries that decisions on it posted, in order."""

    row: ExceptionRow
    events: Sequence[LifeEvent]
    entries: Sequence[DecisionEntry]


def claims_feed(tx: Transaction, feed_filter: FeedFilter, sort: Sort | None = None) -> Iterator[FeedRow]:
    """Yield the Claims Feed: one row per line, with its newest version. By default, the oldest save comes first."""
    return feed_report.stream_sorted(tx, feed_filter, sort) if sort else feed_report.stream(tx, feed_filter)


def claims_feed_page(
    tx: Transaction, feed_filter: FeedFilter, window: Window, sort: Sort = feed_report.NEWEST_FIRST
) -> Page[FeedRow]:
    """Return a page of the Claims Feed, by default newest save first. Raises TooManyToSortError."""
    if sort.column != feed_report.BY_SAVE:
        _check_sortable(sort, feed_report.summarize(tx, feed_filter, SORTED_ROWS_MAX))
    return read_window(window, lambda each: feed_report.read_page(tx, feed_filter, each, sort))


def claims_feed_summary(tx: Transaction, feed_filter: FeedFilter, limit: int | None = None) -> Summary:
    """Return the number and the sum of the matching payments. With `limit`, stop after that many payments."""
    return feed_report.summarize(tx, feed_filter, limit)


def selected_payments_summary(tx: Transaction, keys: Sequence[str], scope: Scope) -> Summary:
    """Return the number and the sum of the payments with these printed keys. Unknown keys are ignored."""
    pages = (feed_report.read_page(tx, FeedFilter(payment=key, scope=scope), Window(1)) for key in keys)
    rows = [each.row for page in pages for each in page]
    return Summary(len(rows), total(row.amount for row in rows if row.amount is not None))


def count_payments(tx: Transaction, feed_filter: FeedFilter, window: Window, sort: Sort) -> int:
    """Return the number of payments in a window of the Claims Feed."""
    return len(feed_report.read_page(tx, feed_filter, window, sort))


def claims_feed_sums(tx: Transaction, feed_filter: FeedFilter) -> list[FeedSum]:
    """Return the sums of the Claims Feed by status and reason."""
    return feed_report.sums(tx, feed_filter)


def not_in_billing(tx: Transaction, feed_filter: FeedFilter) -> list[UnpostedSum]:
    """Return the payments that Billing does not hold in full, summed by cause.

    The cause of the oldest payment comes first.
    """
    internal = PostedState.INTERNAL_PAYMENT
    return [each for each in posted_sums.unposted_sums(tx, feed_filter) if each.posted != internal]


def payment_log(tx: Transaction, log_filter: PaymentLogFilter, sort: Sort | None = None) -> Iterator[PaymentLogRow]:
    """Yield the Patient Payment Log: one row per ledger entry. By default, the oldest deposit comes first."""
    return log_report.stream(tx, log_filter, sort)


def expanded_payment_log(
    tx: Transaction, log_filter: PaymentLogFilter, sort: Sort | None = None
) -> Iterator[tuple[PaymentLogRow, Sequence[AppliedRow]]]:
    """Yield the rows of `payment_log`, each with the amounts of its payment that are applied to charges."""
    return log_report.stream_applied(tx, log_filter, sort)


def payment_log_page(
    tx: Transaction, log_filter: PaymentLogFilter, window: Window, sort: Sort = log_report.NEWEST_FIRST
) -> Page[PaymentLogRow]:
    """Return a page of the Patient Payment Log, by default newest deposit first. Raises TooManyToSortError."""
    if sort.column != log_report.BY_DEPOSIT_DATE:
        _check_sortable(sort, log_report.summarize(tx, log_filter, SORTED_ROWS_MAX))
    return read_window(window, lambda each: log_report.read_page(tx, log_filter, each, sort))


def payment_log_summary(tx: Transaction, log_filter: PaymentLogFilter, limit: int | None = None) -> Summary:
    """Return the number and the sum of the matching entries. With `limit`, stop after that many entries."""
    return log_report.summarize(tx, log_filter, limit)


def count_entries(tx: Transaction, log_filter: PaymentLogFilter, window: Window, sort: Sort) -> int:
    """Return the number of entries in a window of the Patient Payment Log."""
    return len(log_report.read_page(tx, log_filter, window, sort))


def payment_log_sums(tx: Transaction, log_filter: PaymentLogFilter, group_by: GroupBy) -> list[PaymentLogSum]:
    """Return the sums of the Patient Payment Log by one of its columns."""
    return log_report.sums(tx, log_filter, group_by)


def exceptions(
    tx: Transaction, exception_filter: ExceptionFilter, sort: Sort = exception_report.OLDEST_FIRST
) -> Iterator[ExceptionRow]:
    """Yield the Billing Exceptions, by default oldest first."""
    return exception_report.stream(tx, exception_filter, sort)


def exceptions_page(
    tx: Transaction, exception_filter: ExceptionFilter, window: Window, sort: Sort = exception_report.OLDEST_FIRST
) -> Page[ExceptionRow]:
    """Return a page of the Billing Exceptions, by default oldest first. Raises TooManyToSortError."""
    if sort.column != exception_report.BY_ID:
        _check_sortable(sort, exception_report.summarize(tx, exception_filter, SORTED_ROWS_MAX))
    return read_window(window, lambda each: exception_report.read_page(tx, exception_filter, each, sort))


def exceptions_summary(tx: Transaction, exception_filter: ExceptionFilter, limit: int | None = None) -> Summary:
    """Return the number of matching exceptions and the sum of their differences. With `limit`, stop after that many."""
    return exception_report.summarize(tx, exception_filter, limit)


def count_exceptions(tx: Transaction, exception_filter: ExceptionFilter, window: Window, sort: Sort) -> int:
    """Return the number of exceptions in a window of the Billing Exceptions."""
    return len(exception_report.read_page(tx, exception_filter, window, sort))


def exception_counts(tx: Transaction, exception_filter: ExceptionFilter) -> list[ExceptionCount]:
    """Return the counts of open exceptions by reason and case. Empty if the filter excludes open exceptions.

    Ended exceptions are not counted. Their number grows without limit, so counting them would slow down every page.
    """
    return exception_report.counts(tx, exception_filter) if exception_filter.status is FindingStatus.OPEN else []


def exception(tx: Transaction, finding_id: int, scope: Scope = EVERYTHING) -> ExceptionRow | None:
    """Return one Billing Exception, or None if the scope has none with this id."""
    return exception_report.read_one(tx, finding_id, scope)


def exception_entries(tx: Transaction, rows: Sequence[ExceptionRow]) -> dict[int, list[DecisionEntry]]:
    """Return the entries that decisions on these exceptions posted, by exception id."""
    return life_report.entries(tx, [row.id for row in rows])


def exception_work(tx: Transaction, scope: Scope, owner: str, now: datetime) -> ExceptionWork:
    """Return the number of open exceptions of a scope in each work queue. One queue has the exceptions of `owner`."""
    return exception_queue.count_work(tx, scope, owner, now)


def exception_life(tx: Transaction, row: ExceptionRow) -> ExceptionLife:
    """Return the events of an exception, and the entries that decisions on it posted."""
    return ExceptionLife(row, life_report.events(tx, row.id), life_report.entries(tx, [row.id])[row.id])


def timeline(tx: Transaction, key: str, scope: Scope = EVERYTHING) -> Sequence[TimelineRow]:
    """Return the history of the payment with this printed key. If the scope has no such payment, the result is empty.

    Raises AmbiguousIdError if several companies of the scope have the key.
    """
    refused_id = dead_letter_id(key)
    if refused_id is not None:
        return timeline_report.read(tx, (), printed_keys.dead_letters_in_scope(tx, (refused_id,), scope))
    named = printed_keys.find(tx, [key], scope)[key]
    return timeline_report.read(tx, named.keys, named.dead_letter_ids)


def payment_facts(tx: Transaction, key: str, scope: Scope = EVERYTHING) -> PaymentFacts | None:
    """Return the method, the dates and the reference that were last saved for the payment with this printed key.

    Returns None for an invalid event, or if the scope has no such payment. Raises AmbiguousIdError if several companies
    of the scope have the key.
    """
    if dead_letter_id(key) is not None:
        return None
    named = printed_keys.find(tx, [key], scope)[key]
    return timeline_report.read_facts(tx, named.keys[0]) if named.keys else None


def load_backlog(tx: Transaction, now: datetime) -> Backlog:
    """Return the number of items that wait for a worker: due now, due later, and lines to examine for exceptions."""
    return backlog.load(tx, now)


def _check_sortable(sort: Sort, found: Summary) -> None:
    if not found.is_complete:
        raise TooManyToSortError(sort)
