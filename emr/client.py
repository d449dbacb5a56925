"""Client that publishes events on the feed, a Redis stream."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast
from uuid import UUID, uuid5

import redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthorizationError
from redis.retry import Retry

from emr.errors import FeedError, FeedRefusedError, FeedUnreachableError
from payments.contract.event import ChargeSaved, Event, PatientSaved, PaymentDeleted, PaymentSaved
from payments.contract.money import dollars
from payments.contract.partial_event import read_partial_event
from payments.contract.signature import signature_of
from payments.contract.stream_partition import stream_for

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

__all__ = ["FeedError", "FeedRefusedError", "FeedUnreachableError", "PaymentFeed", "Publishable", "Sign", "SigningKey"]
__all__ += ["CHUNK_EVENTS", "STREAM_DEFAULT", "body_of", "event_id_for"]

STREAM_DEFAULT = "emr:payments"
SOCKET_TIMEOUT_SECONDS = 15
CONNECT_TIMEOUT_SECONDS = 5
CHUNK_EVENTS = 500
CHUNK_BYTES = 4 * 1024 * 1024
# redis-py has classes for some codes, such as OOM and READONLY, and leaves the others in the text. It drops ERR.
_STATE_CODE = re.compile("[A-Z]{3,} ")
_EVENT_IDS = UUID("5b0f3c0e-6a2b-5c5e-9d8f-0b6a9f1d7c11")

# urllib ends the host at a `#`, `/` or `?` in a password, and redis-py would connect to another server.
_UNAMBIGUOUS = re.compile(r"[a-z]+://[^/?#]*([/?][^#@]*)?")

Entry = tuple[str, dict[str, bytes | str]]
"""The name of a stream, and the fields of an entry on this stream."""
Publishable = Event | Mapping[str, object] | bytes
"""An event model, a mapping of its keys, or its bytes, which are sent unchanged."""
Sign = Callable[[bytes], str | None]
"""Returns the signature of an event's bytes, or None if it is not signed."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A signing key that a company shares with Billing: its name and its secret."""

    name: str
    secret: bytes = field(repr=False)

    def sign(self, body: bytes) -> str:
        """Return the signature of an event's bytes."""
        return signature_of(body, self.name, self.secret)


def event_id_for(event_type: str, *key: str, version: int) -> UUID:
    """Return the event id of a version of a record. The same arguments always give the same id.

    So a publisher can repeat an event with the same id without having stored the id. `key` identifies the record:
    clinic, payment and line, or company and patient.
    """
    return uuid5(_EVENT_IDS, json.dumps([event_type, *key, version]))


def body_of(event: Publishable) -> bytes:
    """Return the bytes of an event that are published on the feed.

    Raises TypeError if a mapping holds a value of a type that the contract does not define, and ValueError for an
    amount with fractions of a cent.
    """
    match event:
        case bytes():
            return event
        case PaymentSaved() | PaymentDeleted() | PatientSaved() | ChargeSaved():
            return event.model_dump_json(by_alias=True).encode()
        case Mapping():
            text = json.dumps(dict(event), ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_encode)
            return text.encode()
    raise TypeError(f"an event is a model of the contract, a mapping or bytes, not {type(event).__name__}")


def _encode(value: object) -> str:
    match value:
        case Decimal():
            return f"{dollars(value):f}"
        case date():  # a datetime is one too
            return value.isoformat()
        case UUID():
            return str(value)
    raise TypeError(f"no form in the event contract for a value of type {type(value).__name__}")


class PaymentFeed:
    """Publishes events on the feed at a Redis URL. Connects at the first use; closes at the end of its `with` block.

    `streams` is Billing's setting PAYMENTS_STREAMS. If it is above 1, each event is added to its company's stream.
    `sign` signs each event, for example `SigningKey("2026-10", secret).sign`. With an OpenTelemetry `tracer`, each
    event gets a span as a child of the current span and as the parent of Billing's spans. Raises ValueError for an
    unreadable URL.
    """

    def __init__(
        self,
        url: str,
        stream: str = STREAM_DEFAULT,
        streams: int = 1,
        *,
        sign: Sign | None = None,
        tracer: "Tracer | None" = None,
    ) -> None:
        self.stream, self.streams, self._sign, self._tracer = stream, streams, sign, tracer
        self._redis = _connection_to(url)
        self.server = _server_name(self._redis)

    def publish(self, event: Publishable) -> str:
        """Publish one event, and return the id of its entry.

        Raises FeedUnreachableError, after which the event may or may not have arrived, or FeedRefusedError.
        """
        body = body_of(event)
        with self._redis_errors_translated(confirmed_count=0):
            return self._send([body])[0].decode()

    def publish_many(
        self,
        events: Iterable[Publishable],
        *,
        chunk: int = CHUNK_EVENTS,
        on_progress: Callable[[int], None] | None = None,
    ) -> int:
        """Publish events in order, up to `chunk` events per round trip, and return their number.

        One chunk is in memory at a time. `on_progress` receives the number of confirmed events after each chunk. Raises
        FeedUnreachableError or FeedRefusedError with the number of confirmed events; the next chunk may have arrived in
        part. Raises ValueError for a chunk size below 1.
        """
        if chunk < 1:
            raise ValueError(f"a chunk holds 1 event or more, not {chunk}")
        count = 0
        for bodies in _chunks(map(body_of, events), chunk):
            with self._redis_errors_translated(confirmed_count=count):
                self._send(bodies)
            count += len(bodies)
            if on_progress:
                on_progress(count)
        return count

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def stream_of(self, body: bytes) -> str:
        """Return the name of the stream for an event. If the feed is one stream, the body is not parsed."""
        if self.streams == 1:
            return self.stream
        return stream_for(self.stream, self.streams, read_partial_event(body).company_id)

    def _send(self, bodies: list[bytes]) -> list[bytes]:
        """Add one stream entry for each body, in one round trip, and return the ids of the entries."""
        entries: list[Entry] = [(self.stream_of(body), self._fields(body)) for body in bodies]
        with self._traced(entries), self._redis.pipeline(transaction=False) as pipeline:
            for stream, fields in entries:
                pipeline.xadd(stream, cast("dict[Any, Any]", fields))
            replies = pipeline.execute(raise_on_error=False)
            # An error that redis-py raises quotes the command, so a patient's payment would end in logs.
            for reply in replies:
                if isinstance(reply, redis.RedisError):
                    raise reply
        return replies

    def _traced(self, entries: "list[Entry]") -> AbstractContextManager[None]:
        if self._tracer is None:
            return nullcontext()
        from emr.publish_spans import publish_spans  # noqa: PLC0415 (optional dependency, loaded only with a tracer)

        return publish_spans(self._tracer, entries)

    def _fields(self, body: bytes) -> dict[str, bytes | str]:
        signature = self._sign(body) if self._sign else None
        return {"event": body} if signature is None else {"event": body, "signature": signature}

    @contextmanager
    def _redis_errors_translated(self, confirmed_count: int) -> Iterator[None]:
        try:
            yield
        except (redis.AuthenticationError, AuthorizationError, redis.ResponseError) as refused:
            error = FeedRefusedError(self.server, str(refused), confirmed_count)
            error.may_concern_event = type(refused) is redis.ResponseError and not _STATE_CODE.match(str(refused))
            raise error from refused
        except redis.RedisError as fault:
            raise FeedUnreachableError(self.server, str(fault), confirmed_count) from fault


def _connection_to(url: str) -> redis.Redis:
    unreadable = ValueError(
        "not a Redis URL such as redis://user:password@host:6379/0, with #, / and ? percent-encoded in the password"
    )
    if not _UNAMBIGUOUS.fullmatch(url):
        raise unreadable
    try:
        return redis.Redis.from_url(
            url,
            protocol=2,
            socket_timeout=SOCKET_TIMEOUT_SECONDS,
            socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
            # redis-py rejects this option for a Unix socket.
            **({} if url.startswith("unix:") else {"socket_keepalive": True}),
            # redis-py would silently repeat a write whose reply was lost; here the caller decides.
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:
        # The message of redis-py may quote part of a password that is not percent-encoded.
        raise unreadable from None


def _server_name(connection: redis.Redis) -> str:
    settings = connection.connection_pool.connection_kwargs
    if path := settings.get("path"):
        return f"{path}, database {settings.get('db', 0)}"
    return f"{settings.get('host', 'localhost')}:{settings.get('port', 6379)}, database {settings.get('db', 0)}"


def _chunks(bodies: Iterator[bytes], size: int) -> Iterator[list[bytes]]:
    """Yield chunks of up to `size` events. A chunk that has reached CHUNK_BYTES is yielded with fewer events."""
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
