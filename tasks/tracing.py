"""The tracing interface, and its no-op implementation. `tasks.spans` implements it with OpenTelemetry."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from payments.contract.stream_entry import StreamEntry


class Tracing:
    """The tracing interface. This implementation records nothing."""

    def request_span(self) -> AbstractContextManager[str | None]:
        """Open a span for a request to import new entries. Yields the traceparent to send with the message."""
        return nullcontext()

    def chunk_span(self, traceparent: str | None) -> AbstractContextManager[object]:  # noqa: ARG002 (used in a subclass)
        """Open a span for the import of a chunk, as a child of the request's span."""
        return nullcontext()

    def record_attempt(self, entries: Sequence[StreamEntry], started_ns: int, outcome: str | Exception) -> None:
        """Record a span for each entry that carries a trace, from `started_ns` (Unix nanoseconds) until now.

        Call this method right after the commit or the error.
        """

    def close(self) -> None:
        """Export the remaining spans."""
