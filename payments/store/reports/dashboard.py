"""The figures of the overview page and of Prometheus: counts and times, never a patient's data."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

from payments.core.scope import Scope
from payments.store.db.conditions import has_not_moved, in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.feed.current import DEAD_LETTER_IS_CURRENT, LINE_IS_CURRENT
from payments.store.reports.posted_sums import HourlyStatus


class HourlyFlow(NamedTuple):
    """The number of payments in one hour: saved in the EMR, imported, retried after a fault, and Not Sent."""

    hour: int
    saved: int
    imported: int
    retried: int
    not_sent: int


@dataclass(frozen=True, slots=True)
class ExceptionAgeCount:
    """The number of open exceptions in an age group."""

    age: str
    count: int


@dataclass(frozen=True, slots=True)
class CompanyCount:
    """The number of a company's payments with a status and reason. `company` is None if it is unreadable."""

    company: str | None
    status: str
    reason: str | None
    count: int


@dataclass(frozen=True, slots=True)
class OpenExceptions:
    """The number of a company's open exceptions with one reason, and the time at which the oldest was opened."""

    company: str
    reason: str
    count: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class RetryBacklog:
    """The number of payments that wait for a retry, and the time at which the oldest was saved."""

    count: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class ChunkStats:
    """Recent import chunks: their number, duration in milliseconds and size in payments."""

    count: int
    median_ms: int
    slowest_ms: int
    median_size: int
    largest_size: int


# A payment that waits for its patient or for the close of a month, or that a user requeued, is no retry.
_IS_RETRY = (
    "(history_code(what) = 'failed' OR history_code(what) = 'held' AND params ->> 'detail' NOT IN "
    "('patient_not_found', 'month_closing', 'requeued'))"
)
_JOIN_LINES = " JOIN lines ON lines.company_id = history.company_id AND lines.id = history.line_ref"
# The index of the history by time finds the rows of the day.
_HOURLY_FLOW_QUERY = f"""
WITH events AS (
    SELECT width_bucket(at, CAST(:hours AS timestamptz[])) AS hour, history_code(what) AS code,
        {_IS_RETRY} AS is_retry
    FROM history{{0}}
    WHERE at >= :begin AND at < :end AND history.line_ref IS NOT NULL{{1}}
),
done AS (
    SELECT hour,
        count(*) FILTER (WHERE code IN ('imported', 'updated', 'removed', 'removed_not_sent')) AS imported,
        count(*) FILTER (WHERE is_retry) AS retried,
        count(*) FILTER (WHERE code IN ('not_sent', 'removed_not_sent')) AS not_sent
    FROM events GROUP BY hour
)
SELECT hour, imported, retried, not_sent FROM done ORDER BY hour
"""
_UNSUCCESSFUL_LINES_QUERY = (
    f"SELECT company_id, status, reason FROM lines WHERE status <> 'Transmission Successful' AND {LINE_IS_CURRENT} "
    f"UNION ALL SELECT company_id, status, reason FROM set_aside WHERE {DEAD_LETTER_IS_CURRENT}"
)
_EXCEPTIONS_BY_AGE_QUERY = """
SELECT age, count(*) AS count FROM (
    SELECT CASE WHEN opened_at > :now - interval '1 day' THEN 'under 1 day'
        WHEN opened_at > :now - interval '3 days' THEN '1 to 2 days'
        WHEN opened_at > :now - interval '7 days' THEN '3 to 6 days' ELSE '7 days or more' END AS age
    FROM findings JOIN lines ON lines.company_id = findings.company_id AND lines.id = line_ref
    WHERE findings.status = 'open' {0}
) AS aged GROUP BY age
"""
AGE_GROUPS = ("under 1 day", "1 to 2 days", "3 to 6 days", "7 days or more")


class DayHours(NamedTuple):
    """A day in a time zone: the moments at which its hours begin, and the moment at which the next day begins.

    The hours are computed in Python, because PostgreSQL may not know the time zone.
    """

    hours: Sequence[datetime]
    end: datetime

    @classmethod
    def of(cls, day: date, zone: ZoneInfo) -> Self:
        """Return the hours of a day in a time zone. A day on which the clocks change has 23 or 25 hours."""
        begin, end = (datetime.combine(each, time(), zone).astimezone(UTC) for each in (day, day + timedelta(days=1)))
        quarters = (begin + timedelta(minutes=15) * number for number in range((end - begin) // timedelta(minutes=15)))
        hours = [each for each in quarters if each == begin or each.astimezone(zone).minute == 0]
        return cls([each.astimezone(zone) for each in hours], end)


def hourly_flow(tx: Transaction, day: DayHours, scope: Scope, saved: Iterable[HourlyStatus]) -> list[HourlyFlow]:
    """Return the payment counts of each hour of a day. `saved` holds the counts of the payments saved on the day.

    When the clocks change, the repeated hour is counted as one hour, and the skipped hour has no payments.
    """
    parameters = {"hours": list(day.hours), "begin": day.hours[0], "end": day.end} | scope_parameters(scope)
    # Only the line knows the clinic.
    lines = "" if scope.clinics is None else _JOIN_LINES
    done = tx.execute(
        text(_HOURLY_FLOW_QUERY.format(lines, in_scope(scope, "lines" if lines else "history"))), parameters
    )
    counts = [(row.hour, (0, *row[1:])) for row in done] + [(each.hour, (each.count, 0, 0, 0)) for each in saved]
    flow = {hour: HourlyFlow(hour, 0, 0, 0, 0) for hour in range(24)}
    for number, added in counts:
        hour = day.hours[number - 1].hour
        flow[hour] = HourlyFlow(hour, *(old + new for old, new in zip(flow[hour][1:], added, strict=True)))
    return list(flow.values())


def exceptions_by_age(tx: Transaction, now: datetime, scope: Scope) -> list[ExceptionAgeCount]:
    """Return the number of open exceptions in each age group, the youngest group first."""
    query = _EXCEPTIONS_BY_AGE_QUERY.format(in_scope(scope, "lines"))
    found = tx.execute(text(query), {"now": now} | scope_parameters(scope)).mappings()
    counts = {row["age"]: row["count"] for row in found}
    return [ExceptionAgeCount(age, counts.get(age, 0)) for age in AGE_GROUPS]


def unsuccessful_by_company(tx: Transaction) -> list[CompanyCount]:
    """Count the rows of the Claims Feed that are not successful, by company, status and reason."""
    columns = "company_id AS company, status, reason, count(*) AS count"
    query = f"SELECT {columns} FROM ({_UNSUCCESSFUL_LINES_QUERY}) AS own GROUP BY 1, 2, 3"
    return [CompanyCount(**row) for row in tx.execute(text(query)).mappings()]


def count_successful(tx: Transaction) -> int:
    """Count the payments with status Transmission Successful, including removed payments and exceptions.

    This reads all lines, so the caller caches the result.
    """
    counted = tx.execute(
        text(f"SELECT count(*) FROM lines WHERE status = 'Transmission Successful' AND {LINE_IS_CURRENT}")
    )
    return int(counted.scalar_one())


def retry_backlog(tx: Transaction) -> RetryBacklog:
    """Return the backlog of payments that wait for a retry.

    Companies that have moved to another installation are omitted.
    """
    query = (
        "SELECT count(*) AS count, min(saved_at) AS oldest_at FROM lines "
        f"WHERE due_at IS NOT NULL AND {has_not_moved('lines')}"
    )
    return RetryBacklog(**tx.execute(text(query)).mappings().one())


def retry_count(tx: Transaction, since: datetime) -> int:
    """Return the number of import attempts that have failed since a moment and led to a retry."""
    counted = tx.execute(text(f"SELECT count(*) FROM history WHERE at >= :since AND {_IS_RETRY}"), {"since": since})
    return int(counted.scalar_one())


def open_exceptions(tx: Transaction) -> list[OpenExceptions]:
    """Return the open exceptions by company and reason.

    Companies that have moved to another installation are omitted.
    """
    query = (
        "SELECT company_id AS company, reason_code AS reason, count(*) AS count, min(opened_at) AS oldest_at "
        f"FROM findings WHERE status = 'open' AND {has_not_moved('findings')} GROUP BY 1, 2 ORDER BY 1, 2"
    )
    return [OpenExceptions(**row) for row in tx.execute(text(query)).mappings()]


def chunk_stats(tx: Transaction, since: datetime) -> ChunkStats:
    """Return the statistics of the import chunks since a moment.

    The history rows with the same time and worker are one chunk.
    """
    found = tx.execute(
        text(
            "SELECT count(*) AS count, coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY took), 0) AS median_ms, "
            "coalesce(max(took), 0) AS slowest_ms, "
            "coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY size), 0) AS median_size, "
            "coalesce(max(size), 0) AS largest_size FROM (SELECT max(duration_ms) AS took, count(*) AS size "
            "FROM history WHERE at >= :since AND duration_ms IS NOT NULL GROUP BY at, who) AS chunks"
        ),
        {"since": since},
    )
    return ChunkStats(**found.mappings().one())
