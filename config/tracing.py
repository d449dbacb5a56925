"""Configure the export of traces to the OpenTelemetry collector that PAYMENTS_TRACES_URL names."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

EXPORT_MILLISECONDS = 1_000
"""Finished spans are exported at this interval. A killed process loses the spans since its last export."""


def is_tracing_installed() -> bool:
    """Return whether the packages of the extra `traces` are installed."""
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


def tracer_provider(traces_url: str | None, process_name: str) -> TracerProvider | None:
    """Return the tracer provider of this process, or None if `traces_url` is None.

    Call this function once per process and after a fork, because it starts a thread. If the collector does not answer,
    the spans are lost, and the loss is logged. Nothing else fails.
    """
    if traces_url is None:
        return None
    # Imported here, because the packages are optional.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": f"payments-{process_name}"}))
    exporter = OTLPSpanExporter(endpoint=f"{traces_url.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=EXPORT_MILLISECONDS))
    return provider
