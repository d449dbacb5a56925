"""Read a monotonic clock in milliseconds, and detect that another machine's clock was set back."""

import time

TOLERANCE_MS = 1_000
"""Corrections up to this size are normal for clock synchronisation, and are ignored."""


def monotonic_ms() -> int:
    """Return the time in milliseconds of a clock that is never set back."""
    return time.monotonic_ns() // 1_000_000


class ServerClock:
    """Compares the clock of a Redis server with a monotonic clock of this process."""

    def __init__(self) -> None:
        self._offset_ms: int | None = None

    def detect_setback(self, server_ms: int, monotonic_ms: int) -> bool:
        """Return whether the server's clock was set back since the previous call.

        `server_ms` is the server's time, `monotonic_ms` the time of a monotonic clock of this process.
        """
        previous, self._offset_ms = self._offset_ms, server_ms - monotonic_ms
        return previous is not None and self._offset_ms < previous - TOLERANCE_MS
