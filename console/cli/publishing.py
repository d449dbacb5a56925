"""Open the feed for the commands that publish events."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from config.tracing import tracer_provider
from emr.client import Durability, PaymentFeed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.trace import Tracer

    from console.cli.session import CliContext
    from emr.client import Sign


@contextmanager
def open_feed(context: CliContext, sign: Sign | None) -> Iterator[PaymentFeed]:
    """Yield a feed that is configured by the settings of `context`. `sign` signs each event.

    At the end of the block, the spans are exported and the connection is closed.
    """
    settings, engines = context
    with (
        _tracer(context) as tracer,
        PaymentFeed(
            engines.redis_url,
            settings.stream,
            settings.streams,
            sign=sign,
            tracer=tracer,
            durability=Durability(settings.publish_replicas, settings.publish_on_disk),
            unprocessed_max=settings.publish_unprocessed_max,
        ) as feed,
    ):
        yield feed


@contextmanager
def _tracer(context: CliContext) -> Iterator[Tracer | None]:
    """Yield a tracer if a collector is configured, and flush its spans at the end."""
    provider = tracer_provider(context.settings.traces_url, "emr")
    if provider is None:
        yield None
        return
    try:
        yield provider.get_tracer("payments")
    finally:
        provider.shutdown()
