"""Find, check and reserve free ports."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from config.addresses import LOOPBACK

_CONNECT_SECONDS = 1.0


class PortTakenError(Exception):
    """Another program listens on a port that one of the servers needs."""

    def __init__(self, variable: str, port: int, address: str = LOOPBACK) -> None:
        self.variable, self.port, self.address = variable, port, address
        super().__init__(f"port {port} of {address} is taken by another program; set {variable} to a free one")


def require_free_port(variable: str, port: int, address: str = LOOPBACK) -> None:
    """Raise PortTakenError if no server can listen on this port now. The error names the setting `variable`."""
    if not is_port_free(port, address):
        raise PortTakenError(variable, port, address)


def is_port_free(port: int, address: str = LOOPBACK) -> bool:
    """Return whether a server can listen on this port now."""
    try:
        _bound_socket(port, address).close()
    except OSError:
        return False
    return True


@contextmanager
def reserved_port(variable: str, port: int, address: str = LOOPBACK) -> Iterator[None]:
    """Reserve a port until the block ends.

    Raises PortTakenError if the port is in use. The error names the setting `variable`.
    """
    try:
        reservation = reserve_port(port, address)
    except OSError:
        raise PortTakenError(variable, port, address) from None
    with reservation:
        yield


def reserve_port(port: int, address: str = LOOPBACK) -> socket.socket:
    """Reserve a port for a server until the returned socket is closed. The server can still listen on the port.

    Without a reservation, the kernel could assign the port to another program while the server starts or restarts.
    Raises OSError if another program listens on the port.
    """
    reservation = _bound_socket(port, address)
    if sys.platform != "linux":  # other systems do not let a server listen on a bound port
        reservation.close()
    return reservation


def accepts_connections(url: str) -> bool:
    """Return whether a server on this machine listens at the host and port of a URL."""
    place = urlsplit(url)
    try:
        socket.create_connection((place.hostname or LOOPBACK, place.port or 80), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def address_family(address: str) -> socket.AddressFamily:
    """Return the socket family of this IP address, for IPv4 or IPv6."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _bound_socket(port: int, address: str) -> socket.socket:
    bound = socket.socket(address_family(address))
    try:
        # As servers do, to ignore connections of an earlier run in TIME_WAIT.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound


def free_port() -> int:
    """Return a port on which no program listens at present."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
