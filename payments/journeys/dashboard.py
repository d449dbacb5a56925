"""Say how the work stands: the day's flow, what did not come through, and the figures that an alarm watches."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from payments.store.db.connection import Transaction
from payments.store.reports import dashboard
from payments.store.reports.dashboard import AgeOfExceptions, Chunks, Day, HourOfFlow, StatusCount

__all__ = ["AgeOfExceptions", "Chunks", "HourOfFlow", "StatusCount"]

LATELY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Overview:
    """A day's flow hour by hour, open exceptions by age, and what did not come through so far."""

    day: date
    flow: Sequence[HourOfFlow]
    exceptions: Sequence[AgeOfExceptions]
    not_through: Sequence[StatusCount]


@dataclass(frozen=True, slots=True)
class Gauges:
    """The figures of the ledger for Prometheus; `exceptions` holds (reason, count, when the oldest was opened).

    `retries` and `chunks` are those of the last five minutes.
    """

    not_through: Sequence[StatusCount]
    retrying: int
    retries: int
    oldest_waiting: datetime | None
    exceptions: Sequence[tuple[str, int, datetime]]
    chunks: Chunks


def overview(tx: Transaction, day: date, clinics: Sequence[str] | None, here: datetime) -> Overview:
    """Return how a day went, and how things stand now, for all clinics or for these.

    `here` is now, in the time zone whose day and hours are meant.
    """
    zone = ZoneInfo(str(here.tzinfo))
    begin, end = (datetime.combine(each, time(), zone) for each in (day, day + timedelta(days=1)))
    return Overview(
        day,
        dashboard.flow(tx, Day(begin, end, zone.key), clinics),
        dashboard.exceptions_by_age(tx, here, clinics),
        dashboard.not_through(tx, clinics),
    )


def read_gauges(tx: Transaction, now: datetime) -> Gauges:
    """Read the figures of the whole ledger that are found by an index."""
    retrying, oldest = dashboard.retrying(tx)
    return Gauges(
        dashboard.not_through(tx, None),
        retrying,
        dashboard.retries(tx, now - LATELY),
        oldest,
        dashboard.open_exceptions(tx),
        dashboard.import_chunks(tx, now - LATELY),
    )


def count_through(tx: Transaction) -> int:
    """Count what came through: all of the ledger is read for it."""
    return dashboard.successful(tx)
