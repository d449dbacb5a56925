"""Traces as OpenTelemetry has them: a span for each payment below its publisher's, and one for each chunk.

The publisher's context lies in the stream entry beside the event (`traceparent`, as W3C Trace Context spells it). A
payment's span ends after the ledger's commit. It holds identifiers and no amounts or names.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from payments.contract.partial_event import read_partial_event
from payments.contract.stream_entry import StreamEntry
from tasks.tracing import Traces

_W3C = TraceContextTextMapPropagator()
# By itself a span takes down what was raised in it word for word, and with it what PostgreSQL quotes of a row.
_DISCREET: dict[str, Any] = {"record_exception": False, "set_status_on_exception": False}


class Spans(Traces):
    """The traces of a process that has somewhere to send them."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider, self._tracer = provider, provider.get_tracer("payments")

    @contextmanager
    def asking(self) -> Iterator[str | None]:
        """Open a span for a request to import what is new."""
        with self._tracer.start_as_current_span("ask for import", kind=SpanKind.PRODUCER, **_DISCREET):
            carrier: dict[str, str] = {}
            _W3C.inject(carrier)
            yield carrier.get("traceparent")

    @contextmanager
    def chunk(self, asked: str | None) -> Iterator[object]:
        """Open a span for the import of a chunk."""
        with self._tracer.start_as_current_span(
            "import chunk", context=_context(asked), kind=SpanKind.CONSUMER, **_DISCREET
        ) as span:
            try:
                yield span
            except Exception as error:
                span.set_status(Status(StatusCode.ERROR, _told(error)))
                raise

    def tried(self, arrived: Sequence[StreamEntry], began_ns: int, outcome: str | Exception) -> None:
        """Tell of each payment whose publisher records its trace; the chunk and its payments are linked both ways."""
        chunk, ended_ns = trace.get_current_span(), time.time_ns()
        chunk.set_attributes({"messaging.batch.message_count": len(arrived), "payments.outcome": _told(outcome)})
        for entry in arrived:
            context = _context(entry.trace)
            publisher = trace.get_current_span(context).get_span_context() if context else None
            if publisher is None or not publisher.trace_flags.sampled:
                continue
            chunk.add_link(publisher)
            span = self._tracer.start_span(
                "import payment",
                context=context,
                kind=SpanKind.CONSUMER,
                attributes=_identifiers(entry),
                links=[Link(chunk.get_span_context())],
                start_time=began_ns,
            )
            _judge(span, outcome)
            span.end(ended_ns)

    def close(self) -> None:
        """Send what has not been sent."""
        self._provider.shutdown()


def _context(traceparent: str | None) -> Context | None:
    return _W3C.extract({"traceparent": traceparent}) if traceparent else None


def _identifiers(entry: StreamEntry) -> dict[str, str]:
    key = read_partial_event(entry.body).key
    return {"messaging.system": "redis", "payments.entry": entry.entry_id} | (
        {"payments.payment": str(key)} if key else {}
    )


def _judge(span: Span, outcome: str | Exception) -> None:
    if isinstance(outcome, Exception):
        # Its text may quote values; its kind says enough here, and the history has the rest.
        span.set_status(Status(StatusCode.ERROR, _told(outcome)))
    else:
        span.set_attribute("payments.chunk_outcome", outcome)


def _told(outcome: str | Exception) -> str:
    return type(outcome).__name__ if isinstance(outcome, Exception) else outcome
