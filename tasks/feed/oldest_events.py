"""Find the oldest unprocessed event of each company, for the health check."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from payments.contract.stream_entry import named_company
from tasks.feed import pending, stream
from tasks.feed.lag import age_by_id
from tasks.feed.streams import Streams
from tasks.feed.waiting import entries_between, read_states


def ages_by_company(streams: Streams, now: datetime) -> dict[str | None, timedelta]:
    """Return the age of the oldest unprocessed event of each company, oldest first.

    None stands for entries whose company cannot be read. Of each stream, only the oldest pending entries and the oldest
    undelivered ones are read, up to `pending.PAGE` of both. So a company whose events are all younger may be missing.
    An entry whose id contains no plausible time counts as new. Raises RedisError.
    """
    ages: dict[str | None, timedelta] = {}
    for entry_id, body in _oldest_entries(streams):
        company_id = named_company(body)
        ages[company_id] = max(ages.get(company_id, timedelta()), age_by_id(entry_id, now))
    return dict(sorted(ages.items(), key=lambda item: item[1], reverse=True))


def _oldest_entries(streams: Streams) -> Iterator[tuple[str, bytes]]:
    """Yield the plain ids and the events of the oldest unprocessed entries of each stream."""
    client = streams.client
    for name, state in zip(streams.names, read_states(client, streams.names), strict=True):
        undelivered = entries_between(client, name, f"({state.last_delivered_id}", "+", pending.PAGE)
        yield from ((entry_id, fields.get(b"event", b"")) for entry_id, fields in next(undelivered, []))
        if state.pending:
            ids = [each.entry_id for each in pending.first_pending(client, name)]
            yield from stream.bodies(client, name, ids).items()
