"""OpenTelemetry spans: one for each payment, as a child of its publisher's span, and one for each chunk.

A stream entry may hold the publisher's trace context as a W3C `traceparent`, beside the event. A payment's span ends
after the commit. Spans contain identifiers, but no amounts or names.
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
from tasks.tracing import Tracing

_W3C_PROPAGATOR = TraceContextTextMapPropagator()
# By default a span records an error's message, and with it what PostgreSQL quotes of a row.
_EXCEPTIONS_UNRECORDED: dict[str, Any] = {"record_exception": False, "set_status_on_exception": False}


class SpanTracing(Tracing):
    """Tracing with OpenTelemetry. `provider` creates the tracers and exports the spans."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider, self._tracer = provider, provider.get_tracer("payments")

    @contextmanager
    def request_span(self) -> Iterator[str | None]:
        """Open a span for a request to import new entries, and yield its traceparent."""
        with self._tracer.start_as_current_span("request import", kind=SpanKind.PRODUCER, **_EXCEPTIONS_UNRECORDED):
            carrier: dict[str, str] = {}
            _W3C_PROPAGATOR.inject(carrier)
            yield carrier.get("traceparent")

    @contextmanager
    def chunk_span(self, traceparent: str | None) -> Iterator[object]:
        """Open a span for the import of a chunk, as a child of the request's span."""
        with self._tracer.start_as_current_span(
            "import chunk", context=_parent_context(traceparent), kind=SpanKind.CONSUMER, **_EXCEPTIONS_UNRECORDED
        ) as span:
            try:
                yield span
            except Exception as error:
                span.set_status(Status(StatusCode.ERROR, _outcome_text(error)))
                raise

    def record_attempt(self, entries: Sequence[StreamEntry], started_ns: int, outcome: str | Exception) -> None:
        """Record a span for each entry whose publisher's trace is sampled, and link it with the chunk's span.

        `started_ns` is the start of the attempt in Unix nanoseconds. `outcome` is the statistics of the attempt, or its
        error.
        """
        chunk, ended_ns = trace.get_current_span(), time.time_ns()
        chunk.set_attributes(
            {"messaging.batch.message_count": len(entries), "payments.outcome": _outcome_text(outcome)}
        )
        for entry in entries:
            context = _parent_context(entry.trace)
            publisher = trace.get_current_span(context).get_span_context() if context else None
            if publisher is None or not publisher.trace_flags.sampled:
                continue
            chunk.add_link(publisher)
            span = self._tracer.start_span(
                "import payment",
                context=context,
                kind=SpanKind.CONSUMER,
                attributes=_span_attributes(entry),
                links=[Link(chunk.get_span_context())],
                start_time=started_ns,
            )
            _set_outcome(span, outcome)
            span.end(ended_ns)

    def close(self) -> None:
        """Export the remaining spans, and stop exporting."""
        self._provider.shutdown()


def _parent_context(traceparent: str | None) -> Context | None:
    return _W3C_PROPAGATOR.extract({"traceparent": traceparent}) if traceparent else None


def _span_attributes(entry: StreamEntry) -> dict[str, str]:
    key = read_partial_event(entry.body).key
    return {"messaging.system": "redis", "payments.entry": entry.entry_id} | (
        {"payments.payment": str(key)} if key else {}
    )


def _set_outcome(span: Span, outcome: str | Exception) -> None:
    if isinstance(outcome, Exception):
        span.set_status(Status(StatusCode.ERROR, _outcome_text(outcome)))
    else:
        span.set_attribute("payments.chunk_outcome", outcome)


def _outcome_text(outcome: str | Exception) -> str:
    """Return the outcome of an attempt as text.

    For an error it is only the class name, because the message may contain data of payments.
    """
    return type(outcome).__name__ if isinstance(outcome, Exception) else outcome
