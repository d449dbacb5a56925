"""Read the entries that wait for a retry one page at a time, in rotation.

A fault of one company may cause hundreds of thousands of waiting entries, so no task reads all of them.
"""

from typing import NamedTuple

from tasks.feed import pending
from tasks.feed.pending import Page, PendingEntry
from tasks.feed.streams import Streams


class RotationPage(NamedTuple):
    """Some of the waiting entries. If `is_last`, the next page is the first page of a new rotation."""

    entries: list[PendingEntry]
    is_last: bool


class RetryRotation:
    """A position in the waiting entries of all streams. A page has up to `page_size` entries."""

    def __init__(self, page_size: int = pending.PAGE) -> None:
        self._stream_number, self._page = 0, Page(size=page_size)

    @property
    def is_at_start(self) -> bool:
        """Whether the next page is the first page of a rotation."""
        return self._stream_number == 0 and self._page.first == pending.FIRST_POSITION

    def next_page(self, streams: Streams, min_idle_ms: int) -> RotationPage:
        """Return the next waiting entries that have been idle for at least `min_idle_ms`, oldest first by stream."""
        name = streams.names[self._stream_number]
        found = streams.waiting_page(name, min_idle_ms, self._page)
        if len(found) == self._page.size:
            self._page = self._page._replace(first=pending.position_after(found[-1].entry_id.rpartition("/")[2]))
            return RotationPage(found, is_last=False)
        self._stream_number = (self._stream_number + 1) % len(streams.names)
        self._page = self._page._replace(first=pending.FIRST_POSITION)
        return RotationPage(found, is_last=self._stream_number == 0)
