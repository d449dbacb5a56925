"""Ports of 127.0.0.1: which are free, and whose setting to change when one is not; opens no server."""

import socket


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
    with socket.socket() as probe:
        # As servers do: connections of an earlier run that are still winding down do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
