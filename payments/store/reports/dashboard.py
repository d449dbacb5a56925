"""How the work stands in figures: for the overview and for Prometheus. Counts and times, never a patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.feed.current import DEAD_LETTER_IS_CURRENT, LINE_IS_CURRENT


class HourOfFlow(NamedTuple):
    """What happened in an hour: payments saved in the EMR, and what Billing did."""

    hour: int
    saved: int
    imported: int
    retried: int
    not_sent: int


class AgeOfExceptions(NamedTuple):
    """How many open exceptions are as old as this says."""

    age: str
    number: int


class StatusCount(NamedTuple):
    """How many payments have a status and reason."""

    status: str
    reason: str | None
    number: int


@dataclass(frozen=True, slots=True)
class Chunks:
    """Import chunks of late, the middle and the slowest; milliseconds and payments."""

    count: int
    middle_ms: int
    slow_ms: int
    middle_size: int
    largest_size: int


_SEEN = "(CAST(:clinics AS text[]) IS NULL OR clinic_id = ANY(:clinics))"
# The key finds the day's rows of the history; what is asked for is one hour's number of each kind.
_FLOW = f"""
WITH happened AS (
    SELECT extract(hour FROM at AT TIME ZONE :zone)::int AS hour, what, line_ref FROM history
    WHERE at >= :begin AND at < :end AND line_ref IS NOT NULL
),
done AS (
    SELECT hour,
        count(*) FILTER (WHERE what LIKE ANY ('{{Imported%,Updated%,Removed%}}')) AS imported,
        count(*) FILTER (WHERE what IN ('Held', 'Re-submitted', 'Failed')) AS retried,
        count(*) FILTER (WHERE what LIKE '%Not Sent') AS not_sent
    FROM happened JOIN lines ON lines.id = line_ref WHERE {_SEEN} GROUP BY hour
),
saves AS (
    SELECT extract(hour FROM saved_at AT TIME ZONE :zone)::int AS hour, count(*) AS saved FROM lines
    WHERE saved_at >= :begin AND saved_at < :end AND status IS NOT NULL AND {_SEEN} GROUP BY 1
)
SELECT hours.hour, coalesce(saved, 0), coalesce(imported, 0), coalesce(retried, 0), coalesce(not_sent, 0)
FROM generate_series(0, 23) AS hours(hour) LEFT JOIN saves USING (hour) LEFT JOIN done USING (hour) ORDER BY 1
"""
_AGES = f"""
SELECT age, count(*) AS number FROM (
    SELECT CASE WHEN opened_at > :now - interval '1 day' THEN 'today'
        WHEN opened_at > :now - interval '3 days' THEN '1 to 3 days'
        WHEN opened_at > :now - interval '7 days' THEN '3 to 7 days' ELSE 'over a week' END AS age
    FROM findings JOIN lines ON lines.id = line_ref WHERE findings.status = 'open' AND {_SEEN}
) AS aged GROUP BY age
"""
AGES = ("today", "1 to 3 days", "3 to 7 days", "over a week")


class Day(NamedTuple):
    """A day of a time zone: its first moment, the one after its last, and the zone's IANA name."""

    begin: datetime
    end: datetime
    zone: str


def flow(tx: Transaction, day: Day, clinics: Sequence[str] | None) -> list[HourOfFlow]:
    """Return what happened in each hour of a day."""
    found = tx.execute(text(_FLOW), day._asdict() | {"clinics": _listed(clinics)})
    return [HourOfFlow(*row) for row in found]


def exceptions_by_age(tx: Transaction, now: datetime, clinics: Sequence[str] | None) -> list[AgeOfExceptions]:
    """Return how many open exceptions there are of each age, the newest first."""
    counted = tx.execute(text(_AGES), {"now": now, "clinics": _listed(clinics)})
    found = {row.age: row.number for row in counted}
    return [AgeOfExceptions(age, found.get(age, 0)) for age in AGES]


def not_through(tx: Transaction, clinics: Sequence[str] | None) -> list[StatusCount]:
    """Count what did not come through, by status and reason, as the Claims Feed shows it."""
    found = tx.execute(
        text(
            "SELECT status, reason, sum(number)::bigint FROM ("
            "SELECT status, reason, count(*) AS number FROM lines "
            f"WHERE status <> 'Transmission Successful' AND {_SEEN} AND {LINE_IS_CURRENT} GROUP BY 1, 2 UNION ALL "
            f"SELECT status, reason, count(*) FROM set_aside WHERE {_SEEN} AND {DEAD_LETTER_IS_CURRENT} GROUP BY 1, 2"
            ") AS both_kinds GROUP BY 1, 2 ORDER BY 3 DESC"
        ),
        {"clinics": _listed(clinics)},
    )
    return [StatusCount(*row) for row in found]


def successful(tx: Transaction) -> int:
    """Count what came through, as the Claims Feed shows it."""
    counted = tx.execute(
        text(f"SELECT count(*) FROM lines WHERE status = 'Transmission Successful' AND {LINE_IS_CURRENT}")
    )
    return int(counted.scalar_one())


def retrying(tx: Transaction) -> tuple[int, datetime | None]:
    """Return how many payments wait for another try, and since when the oldest of them was saved."""
    found = tx.execute(text("SELECT count(*), min(saved_at) FROM lines WHERE due_at IS NOT NULL"))
    count, oldest = found.one()
    return count, oldest


def retries(tx: Transaction, since: datetime) -> int:
    """Count the tries since then that put a payment off to another one."""
    counted = tx.execute(
        text("SELECT count(*) FROM history WHERE at >= :since AND what IN ('Held', 'Failed')"), {"since": since}
    )
    return int(counted.scalar_one())


def open_exceptions(tx: Transaction) -> list[tuple[str, int, datetime]]:
    """Return, by reason, how many exceptions are open and when the oldest of them was opened."""
    found = tx.execute(
        text("SELECT reason, count(*), min(opened_at) FROM findings WHERE status = 'open' GROUP BY 1 ORDER BY 1")
    )
    return [(reason, count, oldest) for reason, count, oldest in found]


def import_chunks(tx: Transaction, since: datetime) -> Chunks:
    """Return how long import chunks took lately and how large they were: rows of one moment and worker are one."""
    found = tx.execute(
        text(
            "SELECT count(*), coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY took), 0), "
            "coalesce(max(took), 0), coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY size), 0), "
            "coalesce(max(size), 0) FROM (SELECT max(duration_ms) AS took, count(*) AS size FROM history "
            "WHERE at >= :since AND duration_ms IS NOT NULL GROUP BY at, who) AS chunks"
        ),
        {"since": since},
    )
    return Chunks(*found.one())


def _listed(clinics: Sequence[str] | None) -> list[str] | None:
    return None if clinics is None else list(clinics)
