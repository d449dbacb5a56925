"""Answer the console a page at a time: the Claims Feed, the Payment Log and the exceptions, within what one may see."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Generic, TypeVar

from payments.access.rights import User
from payments.contract.errors import dead_letter_id
from payments.contract.event import LineKey
from payments.core.finding import FindingStatus
from payments.store.db.connection import Transaction
from payments.store.feed.feed_filter import FeedFilter
from payments.store.ledger.findings import FindingRow
from payments.store.reports import claims_feed_pages, payment_log
from payments.store.reports import exceptions as exception_report
from payments.store.reports.claims_feed_pages import Place, PlacedRow
from payments.store.reports.exceptions import WorkQuery, WorkSum
from payments.store.reports.payment_log import GroupBy, LogQuery, LogRow, LogSum

__all__ = ["FeedFilter", "FindingRow", "GroupBy", "LogQuery", "LogRow", "LogSum", "Place", "PlacedRow", "WorkQuery"]

EXPORT_ROWS_MAX = 100_000
_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[_Row]):
    """Some rows, and whether more come after them."""

    rows: Sequence[_Row]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Worklist:
    """A page of exceptions, and how many open ones there are of each kind."""

    page: Page[FindingRow]
    sums: Sequence[WorkSum] = field(default_factory=tuple)


class TooManyRowsError(ValueError):
    """An export would be longer than anybody opens; narrow it by dates or clinics."""

    def __init__(self) -> None:
        super().__init__(f"that is more than {EXPORT_ROWS_MAX:,} rows; narrow it by dates, clinic or patient")


def feed_page(tx: Transaction, wanted: FeedFilter, after: Place | None, limit: int) -> Page[PlacedRow]:
    """Return a page of the Claims Feed, newest save first."""
    return _cut(claims_feed_pages.page(tx, wanted, after, limit + 1), limit)


def log_page(tx: Transaction, query: LogQuery, after: tuple[date, int] | None, limit: int) -> Page[tuple[int, LogRow]]:
    """Return a page of the Patient Payment Log with the entries' numbers, newest deposit first."""
    return _cut(payment_log.payment_log_page(tx, query, after, limit + 1), limit)


def log_sums(tx: Transaction, query: LogQuery, group_by: GroupBy) -> list[LogSum]:
    """Return the Patient Payment Log summed by one of its columns."""
    return payment_log.payment_log_sums(tx, query, group_by)


def log_export(tx: Transaction, query: LogQuery) -> list[LogRow]:
    """Return all rows of the log that are asked for. Raises TooManyRowsError."""
    if payment_log.payment_log_count(tx, query, EXPORT_ROWS_MAX + 1) > EXPORT_ROWS_MAX:
        raise TooManyRowsError
    return payment_log.payment_log(tx, query)


def exceptions(tx: Transaction, query: WorkQuery, after: int, limit: int) -> Worklist:
    """Return a page of Billing Exceptions, oldest first, and what there is of each kind where open ones are asked for.

    Those that have ended become ever more, and are not counted at each look.
    """
    sums = exception_report.sums(tx, query) if query.status is FindingStatus.OPEN else ()
    return Worklist(_cut(exception_report.page(tx, query, after, limit + 1), limit), sums)


def exception(tx: Transaction, number: int) -> FindingRow | None:
    """Return one exception."""
    return exception_report.one(tx, number)


def visible_keys(tx: Transaction, user: User, keys: Sequence[str]) -> list[str]:
    """Return which of these printed keys, or names of refused events, the user may see."""
    if user.clinics is None:
        return list(keys)
    numbers = [number for key in keys if (number := dead_letter_id(key)) is not None]
    clinic_of = claims_feed_pages.clinics_of_refused(tx, numbers)
    return [key for key in keys if _sees(user, key, clinic_of)]


def _sees(user: User, key: str, clinic_of: dict[int, str | None]) -> bool:
    number = dead_letter_id(key)
    if number is not None:
        return user.sees(clinic_of.get(number))
    # A key can be read in more ways than one where an id holds a slash: all of them have to be the user's.
    readings = list(LineKey.parse_all(key))
    return bool(readings) and all(user.sees(reading.clinic_id) for reading in readings)


def _cut(rows: Sequence[_Row], limit: int) -> Page[_Row]:
    return Page(rows[:limit], len(rows) > limit)
