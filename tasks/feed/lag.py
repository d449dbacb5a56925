"""Measure how long the oldest entries have been on the feed.

An entry's id usually contains the time at which the entry was added, by the clock of the Redis server. But a publisher
can choose another id, such as `1-1`, or an id whose time is one year ahead. Redis then counts on from this id. The time
in an id is therefore used only if it is plausible. In any case, an entry is at least as old as the time since this
process first saw it as the oldest entry.
"""

import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

PLAUSIBLE_AGE_MAX = timedelta(days=7)
"""An id with an older time is not plausible. An entry that is really this old has raised the alarm long before."""


class FeedLag:
    """Measures the lag of one feed. An instance remembers when it first saw each of the oldest entries."""

    def __init__(self) -> None:
        self._first_seen: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def measure(self, oldest_ids: Iterable[str], now: datetime) -> timedelta | None:
        """Return the minimum time for which the oldest entry has been on the feed, or None if the feed is empty.

        `oldest_ids` are qualified ids, up to two of each stream: that of its oldest entry, and that of its oldest entry
        with a plausible id.
        """
        with self._lock:
            self._first_seen = {entry_id: self._first_seen.get(entry_id, now) for entry_id in oldest_ids}
            ages = [max(now - seen_at, age_by_id(entry_id, now)) for entry_id, seen_at in self._first_seen.items()]
        return max(ages, default=None)


def plausible_since_ms(now: datetime) -> int:
    """Return the earliest plausible time in an entry id, in Unix milliseconds."""
    return milliseconds(now - PLAUSIBLE_AGE_MAX)


def age_by_id(entry_id: str, now: datetime) -> timedelta:
    """Return the age of an entry by the time in its id, or zero if that time is not plausible."""
    age_ms = milliseconds(now) - int(entry_id.rpartition("/")[2].partition("-")[0])
    is_plausible = 0 <= age_ms <= PLAUSIBLE_AGE_MAX // timedelta(milliseconds=1)
    return timedelta(milliseconds=age_ms) if is_plausible else timedelta()


def milliseconds(moment: datetime) -> int:
    """Return a time as Unix milliseconds, the unit of the first part of an entry id."""
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)
