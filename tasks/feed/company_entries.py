"""Find the entries of one company that are still on the feed: not read yet, or not acknowledged."""

from collections.abc import Iterator
from typing import cast

from payments.contract.partial_event import read_partial_event
from payments.contract.stream_partition import stream_for
from tasks.feed.streams import Streams

_PAGE = 500


def has_entry(feed: Streams, company_id: str) -> bool:
    """Return whether the feed holds an entry with an event of this company.

    An entry whose company cannot be read belongs to no company. Reads the unnumbered stream and the company's own.
    """
    streams = dict.fromkeys((feed.name, stream_for(feed.name, feed.count, company_id)))
    return any(_is_of(body, company_id) for stream in streams for body in _bodies(feed, stream))


def _bodies(feed: Streams, stream: str) -> Iterator[bytes]:
    after = "-"
    while True:
        found = feed.client.xrange(stream, min=after, count=_PAGE)
        page = cast("list[tuple[bytes, dict[bytes, bytes]]]", found)
        yield from (fields.get(b"event", b"") for _, fields in page if fields)
        if len(page) < _PAGE:
            return
        after = f"({page[-1][0].decode()}"


def _is_of(body: bytes, company_id: str) -> bool:
    # The parser is slow. Only a backslash can spell the id with other bytes.
    if company_id.encode() not in body and b"\\" not in body:
        return False
    return read_partial_event(body).company_id == company_id
