"""The client that publishes events on the feed, a Redis stream."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack, cast

import redis
from redis.exceptions import NoPermissionError

from emr.backlog_limit import BacklogLimit
from emr.connection import FeedConnection
from emr.durability import DEFAULT_DURABILITY, Confirmation, Durability, read_replication_id
from emr.errors import FeedError, FeedFullError, FeedRefusedError, FeedUnconfirmedError, FeedUnreachableError
from emr.event_bodies import Publishable, Sign, SigningKey, body_of, event_id_for
from payments.contract.partial_event import read_partial_event
from payments.contract.stream_partition import stream_for

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

__all__ = ["Durability", "PaymentFeed", "Publishable", "Sign", "SigningKey"]
__all__ += ["FeedError", "FeedFullError", "FeedRefusedError", "FeedUnconfirmedError", "FeedUnreachableError"]
__all__ += ["CHUNK_EVENTS", "STREAM_DEFAULT", "body_of", "event_id_for"]

STREAM_DEFAULT = "emr:payments"
CHUNK_EVENTS = 500
CHUNK_BYTES = 4 * 1024 * 1024

Entry = tuple[str, dict[str, bytes | str]]
"""The name of a stream, and the fields of the entry to add to this stream."""


class Guarantees(TypedDict, total=False):
    """The optional arguments of PaymentFeed that guarantee durability and limit the backlog."""

    durability: Durability
    unprocessed_max: int | None


class PaymentFeed:
    """Publishes events on the feed of a Redis URL.

    It connects at its first use, and closes the connection at the end of its `with` block.

    - `streams`: Billing's setting PAYMENTS_STREAMS. If it is above 1, each event is added to the stream of its company.
    - `sign`: a function that signs each event, for example `SigningKey("2026-10", secret).sign`.
    - `tracer`: an OpenTelemetry tracer. Each event gets a span, as a child of the current span and as the parent of
      Billing's spans.
    - `durability`: which replicas or disks must have an event before it counts as published.
    - `unprocessed_max`: the limit of unprocessed events on a stream. It can be exceeded by one chunk.

    Raises ValueError for an invalid URL, for a limit below 1, and for a durability whose timeout is not shorter than
    the URL's `socket_timeout`.
    """

    def __init__(
        self,
        url: str,
        stream: str = STREAM_DEFAULT,
        streams: int = 1,
        *,
        sign: Sign | None = None,
        tracer: "Tracer | None" = None,
        **guarantees: Unpack[Guarantees],
    ) -> None:
        self.stream, self.streams, self._sign, self._tracer = stream, streams, sign, tracer
        self._connection = FeedConnection(url)
        self._confirmation, self._backlog = _open_guarantees(self._connection, **guarantees)

    def publish(self, event: Publishable) -> str:
        """Publish one event, and return the id of its entry on the stream.

        Raises FeedRefusedError or FeedFullError if the event did not arrive. Raises FeedUnreachableError or
        FeedUnconfirmedError if it is unknown whether the event arrived.
        """
        return self._send([body_of(event)], confirmed_count=0)[0].decode()

    def publish_many(
        self,
        events: Iterable[Publishable],
        *,
        chunk: int = CHUNK_EVENTS,
        on_progress: Callable[[int], None] | None = None,
    ) -> int:
        """Publish events in order, up to `chunk` events per round trip. Return the number of published events.

        Only one chunk is in memory at a time. After each chunk, `on_progress` is called with the number of confirmed
        events. Raises the errors of `publish`, which contain the number of confirmed events. After a FeedFullError,
        none of the other events has arrived. After any other error, some events of the next chunk may have arrived.
        Raises ValueError for a chunk size below 1.
        """
        if chunk < 1:
            raise ValueError(f"a chunk holds 1 event or more, not {chunk}")
        count = 0
        for bodies in _chunks(map(body_of, events), chunk):
            self._send(bodies, confirmed_count=count)
            count += len(bodies)
            if on_progress:
                on_progress(count)
        return count

    @property
    def confirmed_replication_id(self) -> str | None:
        """The replication ID of the primary that confirmed the latest chunk.

        It is None if `durability` demands no replica, or if the user may not run INFO.
        """
        return self._confirmation.replication_id

    def find_replication_id(self) -> str | None:
        """Ask the primary for its replication ID. Return None if the user may not run INFO.

        The ID changes at each failover. Raises FeedUnreachableError if Redis does not answer, and FeedRefusedError if
        it refuses the connection.
        """
        with self._connection.translating_errors(0):
            try:
                return read_replication_id(self._connection.redis.info("replication"))
            except NoPermissionError:
                return None

    def close(self) -> None:
        """Close the connections."""
        self._connection.redis.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def stream_of(self, body: bytes) -> str:
        """Return the name of the stream to which an event belongs.

        If the feed has only one stream, the event is not parsed.
        """
        if self.streams == 1:
            return self.stream
        return stream_for(self.stream, self.streams, read_partial_event(body).company_id)

    def _send(self, bodies: list[bytes], confirmed_count: int) -> list[bytes]:
        """Add a stream entry for each event, in one round trip. Return the ids of the entries.

        Raises the errors of `publish`, with `confirmed_count` in their messages.
        """
        entries: list[Entry] = [(self.stream_of(body), self._entry_fields(body)) for body in bodies]
        with self._tracing_entries(entries), self._connection.translating_errors(confirmed_count):
            self._require_room(Counter(stream for stream, _ in entries), confirmed_count)
            self._require_confirmed(self._confirmation.missing_at_present(self._connection.redis), confirmed_count)
            ids, other_replies = self._add(entries)
            self._require_confirmed(self._confirmation.missing_guarantee(other_replies), confirmed_count)
        return ids

    def _add(self, entries: list[Entry]) -> tuple[list[bytes], list[Any]]:
        """Add entries. Return their ids, and the replies to the other commands of the pipeline."""
        with self._connection.redis.pipeline(transaction=False) as pipeline:
            for stream, fields in entries:
                pipeline.xadd(stream, cast("dict[Any, Any]", fields))
            measured = self._backlog.request_measurements(pipeline)
            self._confirmation.request(pipeline)
            replies = pipeline.execute(raise_on_error=False)
        ids, others = replies[: len(entries)], replies[len(entries) :]
        # An error that redis-py itself raises contains the command, so logs would contain a patient's payment.
        for reply in ids:
            if isinstance(reply, redis.RedisError):
                raise reply
        self._backlog.record_measurements(measured, others[: 2 * len(measured)])
        return ids, others

    def _require_room(self, streams: Counter[str], confirmed_count: int) -> None:
        if (limit := self._backlog.limit) and (full := self._backlog.find_full(self._connection.redis, streams)):
            raise FeedFullError(self._connection.server, *full, limit, confirmed_count)

    def _require_confirmed(self, missing: str | None, confirmed_count: int) -> None:
        if missing is not None:
            raise FeedUnconfirmedError(self._connection.server, missing, confirmed_count)

    def _tracing_entries(self, entries: "list[Entry]") -> AbstractContextManager[None]:
        if self._tracer is None:
            return nullcontext()
        from emr.publish_spans import publish_spans  # noqa: PLC0415 (optional dependency, loaded only with a tracer)

        return publish_spans(self._tracer, entries)

    def _entry_fields(self, body: bytes) -> dict[str, bytes | str]:
        signature = self._sign(body) if self._sign else None
        return {"event": body} if signature is None else {"event": body, "signature": signature}


def _open_guarantees(
    connection: FeedConnection, durability: Durability = DEFAULT_DURABILITY, unprocessed_max: int | None = None
) -> tuple[Confirmation, BacklogLimit]:
    durability.check_socket_timeout(connection.redis.get_connection_kwargs())
    if unprocessed_max is not None and unprocessed_max < 1:
        raise ValueError(f"unprocessed_max: 1 or more, not {unprocessed_max}")
    return Confirmation(durability), BacklogLimit(unprocessed_max)


def _chunks(bodies: Iterator[bytes], size: int) -> Iterator[list[bytes]]:
    """Yield chunks of up to `size` events. A chunk also ends when its events have CHUNK_BYTES."""
    chunk: list[bytes] = []
    byte_count = 0
    for body in bodies:
        chunk.append(body)
        byte_count += len(body)
        if len(chunk) == size or byte_count >= CHUNK_BYTES:
            yield chunk
            chunk, byte_count = [], 0
    if chunk:
        yield chunk
