"""Where a process's traces go: nowhere, unless PAYMENTS_TRACES_URL names an OpenTelemetry collector; knows no span."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

EXPORT_MILLISECONDS = 1_000
"""How long a finished span waits for others to travel with; so much is lost with a process that is killed."""


def can_trace() -> bool:
    """Say whether the packages of the extra `traces` are installed."""
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


def tracer_provider(traces_url: str | None, process_name: str) -> TracerProvider | None:
    """Return what this process's tracers come from, or None where no collector is named.

    Call it once a process, after a fork and not before: it starts a thread. A collector that does not answer costs
    spans and a line in the log, and nothing else.
    """
    if traces_url is None:
        return None
    # Loaded here, so that nobody pays for it who does not trace.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": f"payments-{process_name}"}))
    exporter = OTLPSpanExporter(endpoint=f"{traces_url.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=EXPORT_MILLISECONDS))
    return provider
