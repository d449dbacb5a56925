"""Transactional outbox: an EMR stores the event in the transaction of the save, and a relay publishes it later.

The save calls `write` in its own transaction, and a separate process runs the Relay. `refused` returns the events that
can never be published, which the relay has marked as refused.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import structlog

from emr.client import CHUNK_EVENTS, PaymentFeed
from emr.confirmed_events import CONFIRMED_KEPT, ConfirmedEvents
from emr.errors import FeedError
from emr.outbox_chunk import ChunkPublisher
from emr.outbox_table import (
    Connection,
    RefusedEvent,
    WaitingEvent,
    create_table,
    lock_oldest,
    record_outcome,
    refused,
    retry_refused,
    waiting,
    write,
)

__all__ = [
    "CONFIRMED_KEPT",
    "Connection",
    "RefusedEvent",
    "Relay",
    "create_table",
    "refused",
    "retry_refused",
    "waiting",
]
__all__ += ["write"]

_PAUSE_FIRST, _PAUSE_MAX, _DOUBLINGS_MAX = timedelta(milliseconds=100), timedelta(seconds=5), 6
log = structlog.get_logger()


class Relay:
    """Publishes events from the outbox, oldest first. Several relays may run.

    An event stays in the outbox at least until the feed has confirmed it. If a relay is interrupted, the event is
    published again. This is harmless, because the event id is the same. With several relays, an event may overtake an
    older event. This is harmless too, because events have versions.

    An event that can never be published is marked as refused and logged as an error (`outbox_event_refused`). Either it
    is too large, or Redis rejects it but accepts a later event of the same stream. Later events are then published.

    If the server or a stream accepts no events (out of memory, read-only, no permission, not a stream), its events wait
    in order, and the events of other streams are published. The same applies to a stream that has reached the feed's
    limit `unprocessed_max`. If replicas or disks do not confirm a chunk, its events stay in the outbox, and are
    published again when a confirmation arrives.

    If the feed's durability demands replicas, a published event stays in the outbox for CONFIRMED_KEPT. A failover may
    lose it, even if a replica has confirmed it: Sentinel may promote another replica. After a failover, the relay
    therefore publishes these events again (`outbox_events_published_again`).

    `connection` is a connection, or a function that opens one. With a function, `run` pauses and reconnects after an
    error of the database. `pause` replaces `time.sleep`.
    """

    def __init__(
        self,
        connection: Connection | Callable[[], Connection],
        feed: PaymentFeed,
        chunk: int = CHUNK_EVENTS,
        *,
        pause: Callable[[timedelta], None] | None = None,
    ) -> None:
        self._connect = connection if callable(connection) else None
        self._connection = None if callable(connection) else connection
        self._feed, self._chunk, self._pause = feed, chunk, pause or _sleep
        self._publisher = ChunkPublisher(feed)
        self._after = 0  # the last id of the present pass over the outbox
        self._database_error: Exception | None = None
        self._database_failures = 0
        self._confirmed = ConfirmedEvents(feed)

    def publish_chunk(self) -> int:
        """Publish the next chunk of the outbox. Return how many of its events were published or refused for good.

        Events that are not published because of an error stay in the outbox. These errors are raised:

        - FeedUnreachableError if Redis does not answer, FeedUnconfirmedError if replicas or disks do not confirm.
        - FeedRefusedError if Redis or a stream temporarily refuses events, FeedFullError if a stream has reached its
          limit. The chunk's events of other streams are published, and the next call continues after this chunk.
        - The driver's error if the database fails.
        """
        with self._recording_database_errors():
            connection = self._connection = self._connection or self._open_connection()
        try:
            with self._recording_database_errors():
                events = lock_oldest(connection, self._after, self._chunk)
            outcome = self._publisher.publish(events)
            with self._recording_database_errors():
                record_outcome(connection, outcome.published, outcome.reasons)
                self._confirmed.settle(connection, outcome.newest_replication_id)
                connection.commit()
        except BaseException:
            # On a broken connection, the rollback fails too. Raise the first error, not that of the rollback.
            with contextlib.suppress(Exception):
                connection.rollback()
            self._begin_pass()
            raise
        self._database_failures = 0
        for row, reason in outcome.reasons.items():
            log.error("outbox_event_refused", id=row, reason=reason)
        self._continue_after(events)
        if outcome.refusal:
            raise outcome.refusal
        return len(outcome.published) + len(outcome.reasons)

    def run(self, wait: Callable[[], bool]) -> None:
        """Publish events until `wait` returns False.

        `wait` is called when the outbox is empty, and when the feed or the database is unavailable. After an error of
        the database, the relay pauses and reconnects. Each further error makes the pause longer. If the connection is
        broken and the relay has no function that opens a new one, the driver's error is raised.
        """
        while True:
            try:
                is_idle = self.publish_chunk() < self._chunk and not self._after
            except FeedError:
                is_idle = not self._after
            except Exception as error:
                if error is not self._database_error or not self._wait_after_error():
                    raise
                is_idle = True
            if is_idle and not wait():
                return

    def _begin_pass(self) -> None:
        self._after = 0
        self._publisher.blocked.clear()

    def _continue_after(self, events: Sequence[WaitingEvent]) -> None:
        """Set the position at which the next chunk starts.

        If `events` is a full chunk and only some streams are blocked, start after `events`. Otherwise start at the
        oldest event.
        """
        if self._publisher.blocked and self._feed.streams > 1 and len(events) == self._chunk:
            self._after = events[-1].id
        else:
            self._begin_pass()

    def _open_connection(self) -> Connection:
        if self._connect is None:
            raise ConnectionError("the connection is closed, and the relay has no function that opens another")
        return self._connect()

    @contextlib.contextmanager
    def _recording_database_errors(self) -> Iterator[None]:
        """Record an error of the database that occurs in the block. Errors of the feed are only raised."""
        try:
            yield
        except FeedError:
            raise
        except Exception as error:
            self._database_error = error
            self._database_failures += 1
            raise

    def _wait_after_error(self) -> bool:
        """Pause after an error of the database. Return whether the relay can try the next chunk."""
        log.warning("outbox_database_unavailable", error=type(self._database_error).__name__)
        self._pause(min(_PAUSE_FIRST * 2 ** min(self._database_failures - 1, _DOUBLINGS_MAX), _PAUSE_MAX))
        if self._connect is None:
            return self._connection is not None and _is_usable(self._connection)
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()
        self._connection = None
        return True


def _sleep(pause: timedelta) -> None:
    time.sleep(pause.total_seconds())


def _is_usable(connection: Connection) -> bool:
    try:
        connection.rollback()
    except Exception:  # noqa: BLE001 (each driver has its own errors)
        return False
    return True
