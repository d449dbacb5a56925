"""Walk through the entries that wait for a retry, one page at a time, in rotation.

There may be hundreds of thousands of them in a fault of one company, so no task reads all of them.
"""

from typing import NamedTuple

from tasks.feed import pending
from tasks.feed.pending import PendingEntry
from tasks.feed.streams import Streams


class RotationPage(NamedTuple):
    """Some of the waiting entries. `is_last`: the next page is the first one of a new rotation."""

    entries: list[PendingEntry]
    is_last: bool


class RetryRotation:
    """A position in the waiting entries of all streams."""

    def __init__(self) -> None:
        self._stream_number, self._first = 0, pending.FIRST

    @property
    def is_at_start(self) -> bool:
        """Whether the next page is the first one of a rotation."""
        return self._stream_number == 0 and self._first == pending.FIRST

    def next_page(self, streams: Streams, min_idle_ms: int) -> RotationPage:
        """Return the next entries that have been idle for at least `min_idle_ms`, oldest first in each stream."""
        name = streams.names[self._stream_number]
        page = streams.waiting_page(name, min_idle_ms, self._first)
        is_last_of_stream = len(page) < pending.PAGE
        if not is_last_of_stream:
            self._first = pending.after(page[-1].entry_id.rpartition("/")[2])
            return RotationPage(page, is_last=False)
        self._stream_number = (self._stream_number + 1) % len(streams.names)
        self._first = pending.FIRST
        return RotationPage(page, is_last=self._stream_number == 0)
