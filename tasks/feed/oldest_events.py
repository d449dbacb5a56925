"""Find the oldest unprocessed event of each company, for the health check."""

from datetime import datetime, timedelta
from typing import cast

from payments.contract.stream_entry import named_company
from tasks.feed import pending
from tasks.feed.lag import age_by_id
from tasks.feed.streams import Streams
from tasks.feed.waiting import read_states

READ_MAX = 1_000
"""How many of the oldest entries of each stream are read: of the pending ones, and of those not yet delivered."""


def ages_by_company(streams: Streams, now: datetime) -> dict[str | None, timedelta]:
    """Return the age of the oldest unprocessed event of each company, oldest first.

    None stands for entries whose company cannot be read. Only the oldest entries of each stream are read, so a company
    whose events are all younger may be missing. An entry whose id contains no plausible time counts as new. Raises
    RedisError.
    """
    ages: dict[str | None, timedelta] = {}
    for name, ids in _oldest_ids(streams).items():
        for entry_id, body in streams.bodies([streams.qualified_id(name, each) for each in ids]).items():
            company_id = named_company(body)
            ages[company_id] = max(ages.get(company_id, timedelta()), age_by_id(entry_id, now))
    return dict(sorted(ages.items(), key=lambda item: item[1], reverse=True))


def _oldest_ids(streams: Streams) -> dict[str, list[str]]:
    """Return the plain ids of the oldest unprocessed entries, by the name of their stream."""
    found = {}
    for name, state in zip(streams.names, read_states(streams.client, streams.names), strict=True):
        answer = streams.client.xrange(name, min=f"({state.last_delivered_id}", count=READ_MAX)
        undelivered = cast("list[tuple[bytes, dict[bytes, bytes]]]", answer)
        found[name] = [entry_id.decode() for entry_id, _ in undelivered]
        if state.pending:
            found[name] += [each.entry_id for each in pending.first_pending(streams.client, name)]
    return found
