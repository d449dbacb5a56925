"""Measure how long the oldest entries have been on the feed.

An entry's id usually tells when it was added, by the clock of the Redis server. A publisher may choose the id itself,
from another clock or from none: `1-1`, microseconds, a year ahead. Redis then continues from that id. So an id counts
only if it is plausible, and each entry also counts from when this process first saw it as the oldest.
"""

import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

PLAUSIBLE_AGE_MAX = timedelta(days=7)
"""An entry whose id is older has either another clock or has long raised the alarm by the time since it was seen."""


class FeedLag:
    """Measures the lag of one feed, and remembers when each of its oldest entries was first seen."""

    def __init__(self) -> None:
        self._first_seen: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def measure(self, oldest_ids: Iterable[str], now: datetime) -> timedelta | None:
        """Return how long the oldest entries have been on the feed at least; None if there are none.

        `oldest_ids` are the qualified ids of the oldest entry of each stream, and of the oldest with a plausible id.
        """
        with self._lock:
            self._first_seen = {entry_id: self._first_seen.get(entry_id, now) for entry_id in oldest_ids}
            ages = [max(now - seen_at, _age_by_id(entry_id, now)) for entry_id, seen_at in self._first_seen.items()]
        return max(ages, default=None)


def plausible_since_ms(now: datetime) -> int:
    """Return the lowest milliseconds of an id that is plausible."""
    return _milliseconds(now - PLAUSIBLE_AGE_MAX)


def _age_by_id(entry_id: str, now: datetime) -> timedelta:
    """Return the age of an entry by its id, or zero if the id is not plausible."""
    age_ms = _milliseconds(now) - int(entry_id.rpartition("/")[2].partition("-")[0])
    is_plausible = 0 <= age_ms <= PLAUSIBLE_AGE_MAX // timedelta(milliseconds=1)
    return timedelta(milliseconds=age_ms) if is_plausible else timedelta()


def _milliseconds(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)
