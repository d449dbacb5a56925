"""Measure the time of each step of an import, in one process: `python -m bench.steps [EVENTS] [CHUNK]`.

The time of a step includes the steps that it calls. `--collector` chooses the thresholds of Python's garbage collector:
its defaults, or those that the workers set.
"""

import argparse
import gc
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bench import generated_events
from bench.testbed import Testbed, start_testbed
from emr.client import PaymentFeed
from payments.journeys import importing
from payments.store import write_batch
from payments.store.db import pipeline
from payments.store.db.connection import connect
from payments.store.feed import event_ids
from payments.store.ledger import entries, history, lines
from tasks import resources
from tasks.feed import import_attempt
from tasks.feed.streams import Streams
from tasks.resources import Resources
from tasks.spans import SpanTracing
from tasks.tracing import Tracing

_STEPS: tuple[tuple[Any, str, str], ...] = (
    (import_attempt, "is_reachable", "ask PostgreSQL"),
    (Streams, "read_new", "read"),
    (importing, "read_batch", "read, check and hash"),
    (importing, "_admit", "load clinics, patients"),
    (importing, "_record_and_lock", "record ids, lock lines"),
    (event_ids, "record", "  of it: ids, if many"),
    (importing, "load_reference_data", "load reference data"),
    (importing, "_import_line_event", "import rule"),
    (write_batch.WriteBatch, "write", "write"),
    (lines, "write", "  of it: lines"),
    (entries, "post", "  of it: entries"),
    (history, "add", "  of it: history"),
    (pipeline, "_execute", "pipelines, with COMMIT"),
    (Streams, "acknowledge", "acknowledge"),
    (SpanTracing, "record_attempt", "tell the traces"),
    (import_attempt, "import_new", "all"),
)


def main() -> None:
    """Import some events, and print the time of each step."""
    asked = argparse.ArgumentParser(prog="python -m bench.steps", description=__doc__)
    asked.add_argument("events", type=int, nargs="?", default=10_000)
    asked.add_argument("chunk", type=int, nargs="?", default=500)
    asked.add_argument("--collector", choices=("ours", "python"), default="ours")
    asked.add_argument("--traced", action="store_true", help="each event carries a trace, and spans are kept in memory")
    options = asked.parse_args()
    if options.collector == "ours":
        resources._relax_garbage_collection()  # as a worker does when it opens its connections
    cpu: dict[str, float] = defaultdict(float)
    wall: dict[str, float] = defaultdict(float)
    for owner, name, step in _STEPS:
        setattr(owner, name, _with_timing(getattr(owner, name), step, cpu, wall))
    with start_testbed() as testbed:
        for _ in range(2):  # the first is the warm-up
            cpu.clear()
            wall.clear()
            _import_events(testbed, options.events, options.chunk, _tracer_provider() if options.traced else None)
    print(
        f"{options.events:,} events, chunks of {options.chunk:,}, collector: {options.collector}, {gc.get_threshold()}"
    )
    for _, _, step in _STEPS:
        each = 1e6 / options.events
        print(f"{step:22} CPU {cpu[step] * each:8.1f}  elapsed {wall[step] * each:8.1f}  microseconds an event")


def _import_events(testbed: Testbed, events: int, chunk: int, provider: TracerProvider | None) -> None:
    testbed.start_round()
    tracer = provider.get_tracer("bench") if provider else None
    with PaymentFeed(testbed.engines.redis_url, testbed.settings.stream, tracer=tracer) as feed:
        feed.publish_many(generated_events.events(events))
    settings = testbed.settings.model_copy(update={"chunk_events": chunk})
    tracing = SpanTracing(provider) if provider else Tracing()
    # As an importer opens it.
    testbed.opened.append(connect(testbed.engines.database_url, application_name="bench", allow_seqscan=False))
    here = Resources(settings, testbed.database, testbed.feed, testbed.feed, "importer-1", tracing=tracing)
    while import_attempt.import_new(here, "nobody").evaluated:
        pass
    testbed.check_imported_once(events)


def _tracer_provider() -> TracerProvider:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    return provider


def _with_timing(
    step: Callable[..., Any], name: str, cpu: dict[str, float], wall: dict[str, float]
) -> Callable[..., Any]:
    def timed(*given: Any, **named: Any) -> Any:
        used, begun = time.process_time(), time.perf_counter()
        try:
            return step(*given, **named)
        finally:
            cpu[name] += time.process_time() - used
            wall[name] += time.perf_counter() - begun

    return timed


if __name__ == "__main__":
    main()
