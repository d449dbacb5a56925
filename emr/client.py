"""Puts events on the feed; knows the event contract and Redis, and nothing of what Billing does with them."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast
from uuid import UUID, uuid5

import redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthorizationError
from redis.retry import Retry

from payments.contract.event import ChargeSaved, Event, PatientSaved, PaymentDeleted, PaymentSaved
from payments.contract.money import dollars
from payments.contract.partial_event import read_partial_event
from payments.contract.signature import signature_of
from payments.contract.stream_partition import stream_for

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

STREAM_DEFAULT = "emr:payments"
SOCKET_TIMEOUT_SECONDS = 15
CONNECT_TIMEOUT_SECONDS = 5
CHUNK_EVENTS = 500
_EVENT_IDS = UUID("5b0f3c0e-6a2b-5c5e-9d8f-0b6a9f1d7c11")

Entry = tuple[str, dict[str, bytes | str]]
"""A stream, and the fields of an entry for it."""
Publishable = Event | Mapping[str, object] | bytes
"""An event of the contract, the same as a mapping of its keys, or its bytes, which are sent as they stand."""


Sign = Callable[[bytes], str | None]
"""Gives the signature of an event's bytes, or None for one that is not signed."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One of the keys that a company has agreed on with Billing: its name there, and its secret."""

    name: str
    secret: bytes = field(repr=False)

    def sign(self, body: bytes) -> str:
        """Sign an event's bytes."""
        return signature_of(body, self.name, self.secret)


class FeedError(Exception):
    """The feed did not take the events; of those that were not confirmed some may have arrived."""

    _happened = "did not take"
    _advice = "Publish again when it answers"

    def __init__(self, server: str, problem: str, confirmed_count: int = 0) -> None:
        self.server = server
        self.confirmed_count = confirmed_count
        super().__init__(
            f"Redis at {server} {self._happened} the events ({problem}); {confirmed_count} were confirmed. "
            f"{self._advice}: the event ids make a repeat harmless."
        )


class FeedUnreachableError(FeedError):
    """Redis did not answer, or not in time."""


class FeedRefusedError(FeedError):
    """Redis answered, and refused: no access, no memory left, read-only, or the name is not a stream's."""

    _happened = "refused"
    _advice = "Put that right and publish again"


def event_id_for(event_type: str, *key: str, version: int) -> UUID:
    """Return the event id of this version of this record, the same at every call.

    A publisher that does not store the ids it has sent can so repeat a save under its first id. `key` is what names the
    record: clinic, payment and line, or company and patient.
    """
    return uuid5(_EVENT_IDS, json.dumps([event_type, *key, version]))


def body_of(event: Publishable) -> bytes:
    """Return the bytes that go on the feed for this event.

    Raises TypeError where a mapping holds what the contract has no form for, and ValueError for an amount finer than
    a cent.
    """
    match event:
        case bytes():
            return event
        case PaymentSaved() | PaymentDeleted() | PatientSaved() | ChargeSaved():
            return event.model_dump_json(by_alias=True).encode()
        case Mapping():
            text = json.dumps(dict(event), ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_written)
            return text.encode()
    raise TypeError(f"an event is a model of the contract, a mapping or bytes, not {type(event).__name__}")


def _written(value: object) -> str:
    match value:
        case Decimal():
            return f"{dollars(value):f}"
        case date():  # a datetime is one too
            return value.isoformat()
        case UUID():
            return str(value)
    raise TypeError(f"no form in the event contract for a value of type {type(value).__name__}")


class PaymentFeed:
    """A publisher's end of the feed, over one Redis URL; connects at the first use, closes at the end of its `with`.

    `streams` is Billing's PAYMENTS_STREAMS: with more than one, an event goes on its company's. `sign` signs what is
    published, e.g. `SigningKey("2026-10", secret).sign`. With an OpenTelemetry `tracer` each event has a span below the
    one that is current, and Billing's go below that. Raises ValueError for a URL that cannot be read.
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
        """Put one event on the feed and return the id of its entry.

        Raises FeedUnreachableError, after which the event may or may not have arrived, or FeedRefusedError.
        """
        body = body_of(event)
        with self._faults_translated(confirmed_count=0):
            return self._send([body])[0].decode()

    def publish_many(
        self,
        events: Iterable[Publishable],
        *,
        chunk: int = CHUNK_EVENTS,
        on_progress: Callable[[int], None] | None = None,
    ) -> int:
        """Put the events on the feed in their order, `chunk` of them a round trip, and return how many they were.

        Holds one chunk in memory. `on_progress` is told the count so far after each chunk. Raises
        FeedUnreachableError or FeedRefusedError with the count that was confirmed; the chunk after it may have arrived
        in part. Raises ValueError for a chunk of less than one event.
        """
        if chunk < 1:
            raise ValueError(f"a chunk holds 1 event or more, not {chunk}")
        count = 0
        for bodies in _chunks(map(body_of, events), chunk):
            with self._faults_translated(confirmed_count=count):
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
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _stream_of(self, body: bytes) -> str:
        """Return the stream that an event belongs on; undivided, nobody has to look into it."""
        return (
            self.stream
            if self.streams == 1
            else stream_for(self.stream, self.streams, read_partial_event(body).company_id)
        )

    def _send(self, bodies: list[bytes]) -> list[bytes]:
        """Add an entry for each body in one round trip, and return their ids."""
        entries: list[Entry] = [(self._stream_of(body), self._fields(body)) for body in bodies]
        with self._traced(entries), self._redis.pipeline(transaction=False) as pipeline:
            for stream, fields in entries:
                pipeline.xadd(stream, cast("dict[Any, Any]", fields))
            replies = pipeline.execute(raise_on_error=False)
            # Raised by redis-py itself the error would quote the event, and so a patient's payment, into every log.
            for reply in replies:
                if isinstance(reply, redis.RedisError):
                    raise reply
        return replies

    def _traced(self, entries: "list[Entry]") -> AbstractContextManager[None]:
        if self._tracer is None:
            return nullcontext()
        from emr.tracing import publishing  # noqa: PLC0415 (nobody pays for loading it who does not trace)

        return publishing(self._tracer, entries)

    def _fields(self, body: bytes) -> dict[str, bytes | str]:
        signature = self._sign(body) if self._sign else None
        return {"event": body} if signature is None else {"event": body, "signature": signature}

    @contextmanager
    def _faults_translated(self, confirmed_count: int) -> Iterator[None]:
        try:
            yield
        except (redis.AuthenticationError, AuthorizationError, redis.ResponseError) as refused:
            raise FeedRefusedError(self.server, str(refused), confirmed_count) from refused
        except redis.RedisError as fault:
            raise FeedUnreachableError(self.server, str(fault), confirmed_count) from fault


def _connection_to(url: str) -> redis.Redis:
    try:
        return redis.Redis.from_url(
            url,
            protocol=2,
            socket_timeout=SOCKET_TIMEOUT_SECONDS,
            socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
            # redis-py refuses the option, set or not, for a socket file.
            **({} if url.startswith("unix:") else {"socket_keepalive": True}),
            # redis-py by itself repeats a write whose reply was lost, and tells nobody; here the caller decides.
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:
        # What redis-py says may quote a part of the password, where a sign in it is not percent-encoded.
        raise ValueError("not a Redis URL such as redis://user:password@host:6379/0") from None


def _server_name(connection: redis.Redis) -> str:
    settings = connection.connection_pool.connection_kwargs
    if path := settings.get("path"):
        return f"{path}, database {settings.get('db', 0)}"
    return f"{settings.get('host', 'localhost')}:{settings.get('port', 6379)}, database {settings.get('db', 0)}"


def _chunks(bodies: Iterator[bytes], size: int) -> Iterator[list[bytes]]:
    while chunk := list(islice(bodies, size)):
        yield chunk
