"""The publisher's part of a trace: a span for each event, and its context in the entry beside the event."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_W3C = TraceContextTextMapPropagator()


@contextmanager
def publishing(tracer: Tracer, entries: Sequence[tuple[str, dict[str, bytes | str]]]) -> Iterator[None]:
    """Open a span for each (stream, fields) below the caller's own, and add its `traceparent` to the fields.

    They end with the block, which is when the feed has confirmed them; an error is told by its kind.
    """
    spans = []
    for stream, fields in entries:
        named = {"messaging.system": "redis", "messaging.operation.type": "send", "messaging.destination.name": stream}
        span = tracer.start_span("publish", kind=SpanKind.PRODUCER, attributes=named)
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, set_span_in_context(span))
        fields.update(carrier)
        spans.append(span)
    try:
        yield
    except Exception as error:
        for span in spans:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        raise
    finally:
        for span in spans:
            span.end()
