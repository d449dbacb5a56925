"""Write the heartbeat file of this process while it makes progress."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from workers.runtime.heartbeat_file import Heartbeat, remove_ended, remove_heartbeat, write_heartbeat

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 1.0
"""A process writes its heartbeat at this interval."""
STILL_SECONDS = 20
"""A process that has made no progress for this time sends no more signs of life."""


class HeartbeatWriter:
    """Writes the heartbeat of this process.

    If the file cannot be written, an error is logged once, and the process continues. Only its probe fails.
    """

    def __init__(self, home: Path, service: str) -> None:
        self._home, self._service = home, service
        self._last: Heartbeat | None = None
        self._has_failed = False

    def beat(self, is_ready: bool) -> None:  # noqa: FBT001 (the argument of a callback)
        """Write that the process makes progress now. Write at most once a second, unless `is_ready` has changed.

        `is_ready` means that the process is connected to Redis and can work.
        """
        now, last = time.monotonic(), self._last
        if last is None or last.is_ready != is_ready or now - last.progress_seconds >= HEARTBEAT_SECONDS:
            self.write(progress_seconds=now, is_ready=is_ready)

    def is_progressing(self) -> bool:
        """Return whether the process made progress within the last STILL_SECONDS."""
        return self._last is not None and time.monotonic() - self._last.progress_seconds < STILL_SECONDS

    def write(self, *, progress_seconds: float, is_ready: bool) -> None:
        """Write the heartbeat. `progress_seconds` is the monotonic time of the last progress."""
        self._last = Heartbeat(os.getpid(), progress_seconds, is_ready)
        try:
            write_heartbeat(self._home, self._service, self._last)
        except OSError as error:
            if not self._has_failed:
                log.warning("heartbeat_file_not_written", error=str(error))
            self._has_failed = True


@contextmanager
def open_heartbeat(home: Path, service: str) -> Iterator[HeartbeatWriter]:
    """Yield the writer of this process's heartbeat. Remove the heartbeat file when the block ends.

    Files of ended processes of the service are removed first, because their process ids may be reused.
    """
    with suppress(OSError):
        remove_ended(home, service)
    try:
        yield HeartbeatWriter(home, service)
    finally:
        with suppress(OSError):
            remove_heartbeat(home, service)
