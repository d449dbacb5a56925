"""Find the oldest unprocessed event of each company, for the health check."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from payments.contract.stream_entry import named_company
from payments.core.scope import EVERYTHING, Scope
from tasks.feed import pending, stream
from tasks.feed.lag import age_by_id
from tasks.feed.streams import Streams
from tasks.feed.waiting import entries_between, read_states


@dataclass(frozen=True, slots=True)
class WaitingEvents:
    """The unprocessed events of a company among the oldest of the feed: their number, and the age of the oldest one.

    `company` is None for events whose company cannot be read.
    """

    company: str | None
    count: int
    age: timedelta


def waiting_by_company(streams: Streams, now: datetime, scope: Scope = EVERYTHING) -> list[WaitingEvents]:
    """Return the unprocessed events of each company in a scope, those that have waited longest first.

    Of each stream, only the oldest pending entries and the oldest undelivered ones are read, up to `pending.PAGE` of
    both. So a company whose events are all younger may be missing. An entry whose id contains no plausible time counts
    as new. A scope that is limited to clinics includes none, because the figures are those of a whole company. Raises
    RedisError.
    """
    if scope.clinics is not None or scope.clinic_keys is not None:
        return []
    ages: dict[str | None, list[timedelta]] = defaultdict(list)
    for entry_id, body in _oldest_entries(streams):
        ages[named_company(body)].append(age_by_id(entry_id, now))
    is_visible = {company: scope.companies is None or company in scope.companies for company in ages}
    found = [WaitingEvents(each, len(ages[each]), max(ages[each])) for each in ages if is_visible[each]]
    return sorted(found, key=lambda each: each.age, reverse=True)


def _oldest_entries(streams: Streams) -> Iterator[tuple[str, bytes]]:
    """Yield the plain ids and the events of the oldest unprocessed entries of each stream."""
    client = streams.client
    for name, state in zip(streams.names, read_states(client, streams.names), strict=True):
        undelivered = entries_between(client, name, f"({state.last_delivered_id}", "+", pending.PAGE)
        yield from ((entry_id, fields.get(b"event", b"")) for entry_id, fields in next(undelivered, []))
        if state.pending:
            ids = [each.entry_id for each in pending.first_pending(client, name)]
            yield from stream.bodies(client, name, ids).items()
