"""What is told of a payment to those who trace it: nothing, unless a collector is named; then `tasks.spans` does."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from config.settings import Settings
from config.tracing import tracer_provider
from payments.contract.stream_entry import StreamEntry


class Traces:
    """The traces of a process that traces nothing: each call returns at once."""

    def asking(self) -> AbstractContextManager[str | None]:
        """Open a span for a request to import what is new; it gives the context that travels in the message."""
        return nullcontext()

    def chunk(self, asked: str | None) -> AbstractContextManager[object]:  # noqa: ARG002 (`tasks.spans` uses it)
        """Open a span for the import of a chunk, below the request that led to it."""
        return nullcontext()

    def tried(self, arrived: Sequence[StreamEntry], began_ns: int, outcome: str | Exception) -> None:
        """Tell of each payment whose entry carries a trace that it was tried from then till now, and what came of it.

        To be called right after the commit, or after the error: the end of the span is now.
        """

    def close(self) -> None:
        """Send what has not been sent."""


def traces_of(settings: Settings, process_name: str) -> Traces:
    """Return this process's traces; call it once a process, after a fork."""
    provider = tracer_provider(settings.traces_url, process_name)
    if provider is None:
        return Traces()
    from tasks.spans import Spans  # noqa: PLC0415 (nobody pays for loading it who does not trace)

    return Spans(provider)
