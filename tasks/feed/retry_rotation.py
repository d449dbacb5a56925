"""Read, page by page, the entries that wait for a retry. After the last page, start again with the first.

A fault of one company may leave hundreds of thousands of entries waiting, so no task reads all of them.
"""

from typing import NamedTuple

from tasks.feed import pending
from tasks.feed.pending import PageRequest, PendingEntry
from tasks.feed.streams import Streams


class RotationPage(NamedTuple):
    """One page of the waiting entries. If `is_last`, the next page starts a new rotation."""

    entries: list[PendingEntry]
    is_last: bool


class RetryRotation:
    """The position in a rotation, which reads the waiting entries of all streams once, `page_size` at a time."""

    def __init__(self, page_size: int = pending.PAGE_SIZE) -> None:
        self._stream_number, self._page = 0, PageRequest(size=page_size)

    @property
    def is_at_start(self) -> bool:
        """Whether the next page starts a new rotation."""
        return self._stream_number == 0 and self._page.first == pending.FIRST_POSITION

    def next_page(self, streams: Streams, min_idle_ms: int) -> RotationPage:
        """Return the next waiting entries that have been idle for at least `min_idle_ms`.

        The entries are in the order of their ids, one stream after the other.
        """
        name = streams.names[self._stream_number]
        found = streams.waiting_page(name, min_idle_ms, self._page)
        if len(found) == self._page.size:
            self._page = self._page._replace(first=pending.position_after(found[-1].entry_id.rpartition("/")[2]))
            return RotationPage(found, is_last=False)
        self._stream_number = (self._stream_number + 1) % len(streams.names)
        self._page = self._page._replace(first=pending.FIRST_POSITION)
        return RotationPage(found, is_last=self._stream_number == 0)
