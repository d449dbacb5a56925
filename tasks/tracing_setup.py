"""Choose the tracing of a process: OpenTelemetry if PAYMENTS_TRACES_URL names a collector, otherwise none."""

from config.settings import Settings
from config.tracing import tracer_provider
from tasks.tracing import Tracing


def open_tracing(settings: Settings, process_name: str) -> Tracing:
    """Return the tracing of this process. Call it once in each process, also in a forked one: it starts a thread."""
    provider = tracer_provider(settings.traces_url, process_name)
    if provider is None:
        return Tracing()
    from tasks.spans import SpanTracing  # noqa: PLC0415 (OpenTelemetry is an optional dependency)

    return SpanTracing(provider)
