"""Find each company's oldest unprocessed event on the feed, for the health check."""

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
    """The number of a company's unprocessed events among those that were read, and the age of the oldest one.

    `company` is None for events whose company is unreadable.
    """

    company: str | None
    count: int
    age: timedelta


def waiting_by_company(streams: Streams, now: datetime, scope: Scope = EVERYTHING) -> list[WaitingEvents]:
    """Return the waiting events of each company in the scope. The company that has waited longest comes first.

    From each stream, at most the oldest `pending.PAGE_SIZE` pending and as many undelivered entries are read. A company
    whose events are all younger may therefore be missing. An entry whose id contains no plausible time counts as new.
    The numbers are those of whole companies, so the result is empty for a scope that is limited to clinics. Raises
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
    """Yield the id, without the stream number, and the event of the oldest unprocessed entries of each stream."""
    client = streams.client
    for name, state in zip(streams.names, read_states(client, streams.names), strict=True):
        undelivered = entries_between(client, name, f"({state.last_delivered_id}", "+", pending.PAGE_SIZE)
        yield from ((entry_id, fields.get(b"event", b"")) for entry_id, fields in next(undelivered, []))
        if state.pending:
            ids = [each.entry_id for each in pending.first_pending(client, name)]
            yield from stream.bodies(client, name, ids).items()
