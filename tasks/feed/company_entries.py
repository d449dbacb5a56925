"""Find out whether entries of one company wait on the feed. Waiting entries are undelivered or pending."""

from collections.abc import Iterator

from payments.contract.partial_event import read_partial_event
from payments.contract.stream_partition import stream_for
from tasks.feed.pending import pending_entries
from tasks.feed.streams import Streams
from tasks.feed.waiting import entries_between, oldest_waiting_id, parse_id, read_states

_PAGE_ENTRIES = 500


def has_entry(feed: Streams, company_id: str) -> bool:
    """Return whether an entry with an event of this company waits on the feed. Kept entries do not count.

    Entries whose company is unreadable belong to no company. Only two streams are read: the unnumbered stream, and the
    company's own stream.
    """
    streams = dict.fromkeys((feed.name, stream_for(feed.name, feed.count, company_id)))
    return any(_names_company(body, company_id) for stream in streams for body in _waiting_bodies(feed, stream))


def _waiting_bodies(feed: Streams, stream: str) -> Iterator[bytes]:
    """Yield the bodies of the entries that wait. Entries that are added during the call may be included."""
    (state,) = read_states(feed.client, [stream])
    pending = {each.entry_id for each in pending_entries(feed.client, stream, 0)} if state.has_group else set()
    oldest, last_delivered = oldest_waiting_id(feed.client, stream, state), parse_id(state.last_delivered_id)
    if oldest is None:
        return
    for page in entries_between(feed.client, stream, oldest, "+", _PAGE_ENTRIES):
        for entry_id, fields in page:
            if entry_id in pending or parse_id(entry_id) > last_delivered:
                yield fields.get(b"event", b"")


def _names_company(body: bytes, company_id: str) -> bool:
    # The parser is slow. Only a backslash can spell the id with other bytes.
    if company_id.encode() not in body and b"\\" not in body:
        return False
    return read_partial_event(body).company_id == company_id
