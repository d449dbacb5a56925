"""OpenTelemetry spans of the publisher, one for each event. Each stream entry carries the context of its span."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_W3C_PROPAGATOR = TraceContextTextMapPropagator()


@contextmanager
def publish_spans(tracer: Tracer, entries: Sequence[tuple[str, dict[str, bytes | str]]]) -> Iterator[None]:
    """Open a child span of the current span for each entry. Add the `traceparent` of this span to the entry's fields.

    An entry is (stream, fields). The spans end with the block, after the feed has confirmed the events. For an error,
    only its class is recorded.
    """
    spans = []
    for stream, fields in entries:
        named = {"messaging.system": "redis", "messaging.operation.type": "send", "messaging.destination.name": stream}
        span = tracer.start_span("publish", kind=SpanKind.PRODUCER, attributes=named)
        carrier: dict[str, str] = {}
        _W3C_PROPAGATOR.inject(carrier, set_span_in_context(span))
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
