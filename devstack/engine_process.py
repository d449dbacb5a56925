"""What the embedded engines have in common; knows none of them."""

import time
from collections.abc import Callable
from typing import Protocol

from devstack.child_process import Child

_READY_SECONDS = 60.0
_POLL_SECONDS = 0.02


class EngineError(Exception):
    """An embedded engine could not be started."""


class Engine(Protocol):
    """An engine that is ready to be started as a child process."""

    @property
    def name(self) -> str:
        """The name in logs."""

    @property
    def url(self) -> str:
        """Where it answers once it is ready."""

    def child(self) -> Child:
        """Return the process to start."""

    def wait_until_ready(self, alive: Callable[[], bool]) -> None:
        """Wait until it answers, for as long as `alive` says that its process lives."""


def wait_until(
    answers: Callable[[], bool], alive: Callable[[], bool], what: str, seconds: float = _READY_SECONDS
) -> None:
    """Ask again and again until the engine answers, its process ends, or the time is up."""
    deadline = time.monotonic() + seconds
    while not answers():
        if not alive():
            raise EngineError(f"{what} ended before it was ready")
        if time.monotonic() > deadline:
            raise EngineError(f"{what} was not ready within {seconds:.0f} seconds")
        time.sleep(_POLL_SECONDS)
