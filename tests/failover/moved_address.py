"""A TCP proxy that leads to the current primary, like a load balancer. Old connections stay with the old primary."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from tests.faults.network_hosts import pump

CONNECT_SECONDS = 3
NOWHERE = ("127.0.0.1", 1)
"""The target while there is no primary. No server listens on it."""


class MovedAddress:
    """Forwards each new connection to the current primary. Existing connections stay with their server."""

    def __init__(self, primary: Callable[[], tuple[str, int] | None]) -> None:
        self._primary, self._server = primary, socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Stop accepting connections."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._server.accept()
                threading.Thread(target=self._forward, args=[caller], daemon=True).start()

    def _forward(self, caller: socket.socket) -> None:
        target = self._primary() or NOWHERE
        try:
            called = socket.create_connection(target, CONNECT_SECONDS)
        except OSError:
            caller.close()
            return
        called.settimeout(None)
        for ends in ((caller, called), (called, caller)):
            threading.Thread(target=pump, args=ends, daemon=True).start()
