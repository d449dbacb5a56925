"""Publish a chunk of the outbox, and hold back the streams that accept no events."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from emr.client import PaymentFeed
from emr.errors import FeedFullError, FeedRefusedError
from emr.outbox_table import WaitingEvent
from payments.contract.size_limit import EVENT_BYTES_MAX


@dataclass
class ChunkOutcome:
    """The result of a chunk: the published events, the refused events with their reasons, and a temporary refusal.

    Events are given by their ids in the outbox. `published` maps an event to the replication ID of the primary that
    confirmed it. `refusal` is the last temporary error of a stream or of the server.
    """

    published: dict[int, str | None] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    refusal: FeedRefusedError | FeedFullError | None = None

    @property
    def newest_replication_id(self) -> str | None:
        """The replication ID of the latest confirmation, or None if there is none."""
        return next((each for each in reversed(self.published.values()) if each), None)


class ChunkPublisher:
    """Publishes chunks of the outbox.

    `blocked` contains the streams that accept no events at present. Their events are left out until it is cleared.
    """

    def __init__(self, feed: PaymentFeed) -> None:
        self._feed = feed
        self.blocked = set[str]()

    def publish(self, events: Sequence[WaitingEvent]) -> ChunkOutcome:
        """Publish the events of a chunk in order, and return the outcome.

        An oversized event is refused. If Redis refuses the chunk, its events are published one by one. Raises
        FeedUnreachableError if Redis does not answer, and FeedUnconfirmedError if a confirmation is missing.
        """
        outcome = ChunkOutcome()
        bodies = {}
        for event in events:
            if event.body is None:
                outcome.reasons[event.id] = f"{event.byte_count:,} bytes; an event has at most {EVENT_BYTES_MAX:,}"
            elif not self.blocked or self._feed.stream_of(event.body) not in self.blocked:
                bodies[event.id] = event.body
        while bodies:
            try:
                self._publish_all(bodies, outcome)
                break
            except FeedFullError as full:
                outcome.refusal = full
                bodies = self._hold_full_stream(full, bodies, outcome)
            except FeedRefusedError as refusal:
                outcome.refusal = refusal
                self._publish_singly(bodies, outcome)
                break
        return outcome

    def _hold_full_stream(
        self, full: FeedFullError, bodies: dict[int, bytes], outcome: ChunkOutcome
    ) -> dict[int, bytes]:
        """Block the stream that is full. Return the events of other streams that are not yet published."""
        self.blocked.add(full.stream)
        left = (row for row in bodies if row not in outcome.published)
        return {row: bodies[row] for row in left if self._feed.stream_of(bodies[row]) != full.stream}

    def _publish_all(self, bodies: dict[int, bytes], outcome: ChunkOutcome) -> None:
        """Publish events, and record each confirmed chunk in `outcome`."""
        rows = list(bodies)

        def record_chunk(confirmed_count: int) -> None:
            chunk = (row for row in rows[:confirmed_count] if row not in outcome.published)
            outcome.published |= dict.fromkeys(chunk, self._feed.confirmed_replication_id)

        self._feed.publish_many(bodies.values(), on_progress=record_chunk)

    def _publish_singly(self, bodies: dict[int, bytes], outcome: ChunkOutcome) -> None:
        """Publish events one by one, because Redis refused their chunk.

        If Redis refuses an event but accepts a later one of the same stream, the first one becomes a refused event.
        """
        suspects: dict[str, dict[int, str]] = defaultdict(dict)
        for row, body in bodies.items():
            stream = self._feed.stream_of(body)
            if stream in self.blocked:
                continue
            refusal = self._try_publish(body)
            if refusal is None:
                outcome.published[row] = self._feed.confirmed_replication_id
                outcome.reasons |= suspects.pop(stream, {})
            elif refusal.may_concern_event:
                suspects[stream][row] = refusal.problem
            else:
                self.blocked.add(stream)
        self.blocked.update(suspects)
        if not self.blocked:
            outcome.refusal = None

    def _try_publish(self, body: bytes) -> FeedRefusedError | None:
        """Publish an event. Return the error if Redis refuses it, otherwise None."""
        try:
            self._feed.publish(body)
        except FeedRefusedError as refusal:
            return refusal
        return None
