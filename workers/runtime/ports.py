"""Ports of 127.0.0.1: which are free, and whose setting to change when one is not; opens no server."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class PortTakenError(Exception):
    """Another program listens on a port that one of our servers needs."""

    def __init__(self, variable: str, port: int) -> None:
        self.variable, self.port = variable, port
        super().__init__(f"port {port} of 127.0.0.1 is taken by another program; set {variable} to a free one")


def refuse_taken_port(variable: str, port: int) -> None:
    """Raise a PortTakenError that names the setting, unless a server could listen on this port now."""
    if not port_is_free(port):
        raise PortTakenError(variable, port)


def port_is_free(port: int) -> bool:
    """Tell whether a server could listen on this port now."""
    try:
        _bound(port).close()
    except OSError:
        return False
    return True


@contextmanager
def held_port(variable: str, port: int) -> Iterator[None]:
    """Hold a port as long as this lasts. Raises PortTakenError, naming the setting, if another program has it."""
    try:
        holder = hold_port(port)
    except OSError:
        raise PortTakenError(variable, port) from None
    with holder:
        yield


def hold_port(port: int) -> socket.socket:
    """Keep a port for a server of ours that is to listen on it; closing what is returned lets go of it.

    While the server starts, and each time it is started again, the system would hand the port to any program that asks
    for a free one. Raises OSError where another program has it already.
    """
    holder = _bound(port)
    if sys.platform != "linux":  # elsewhere no server could listen on what is held here
        holder.close()
    return holder


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    try:
        # As servers do: connections of an earlier run that are still winding down do not count.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
    except OSError:
        bound.close()
        raise
    return bound


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
