"""The interface of an embedded PostgreSQL or Valkey server, and a function that waits until a server is ready."""

import time
from collections.abc import Callable
from typing import Protocol

from devstack.child_process import Child

_READY_SECONDS = 60.0
_POLL_SECONDS = 0.02


class EngineError(Exception):
    """An embedded server could not be started or stopped, or a server that a URL names does not answer."""


class Engine(Protocol):
    """A PostgreSQL or Valkey server that is ready to be started as a child process."""

    @property
    def name(self) -> str:
        """The name of the server in logs."""

    @property
    def url(self) -> str:
        """The URL of the server. It can be used once the server is ready."""

    def child(self) -> Child:
        """Return the server as a child process to start."""

    def wait_until_ready(self, is_alive: Callable[[], bool]) -> None:
        """Wait until the server can be used.

        Raises EngineError if `is_alive` returns False, or after the time-out.
        """


def wait_until(
    answers: Callable[[], bool], is_alive: Callable[[], bool], what: str, seconds: float = _READY_SECONDS
) -> None:
    """Poll until `answers` returns True.

    Raises EngineError if `is_alive` returns False, or after `seconds`. The message calls the server `what`.
    """
    deadline = time.monotonic() + seconds
    while not answers():
        if not is_alive():
            raise EngineError(f"{what} ended before it was ready")
        if time.monotonic() > deadline:
            raise EngineError(f"{what} was not ready within {seconds:.0f} seconds")
        time.sleep(_POLL_SECONDS)
