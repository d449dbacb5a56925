"""The kernel does not assign a reserved port to another program while the port's server starts and restarts."""

import socket
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from workers.runtime.ports import PortTakenError, free_port, reserved_port

_IP_LOCAL_PORT_RANGE = 51  # linux/in.h: range from which the kernel assigns ports to a socket

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a server listen on a reserved port")


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def other_program(port: int) -> Iterator[socket.socket]:
    """The socket of another program. If it binds to port 0 or connects, the kernel can assign it only `port`."""
    with closing(socket.socket()) as other_program:
        try:
            other_program.setsockopt(
                socket.IPPROTO_IP, _IP_LOCAL_PORT_RANGE, ((port << 16) | port).to_bytes(4, sys.byteorder)
            )
        except OSError:
            pytest.skip("this kernel does not support a port range for a socket")
        yield other_program


def can_serve(port: int) -> bool:
    with closing(socket.create_server(("127.0.0.1", port))), socket.create_connection(("127.0.0.1", port), 5):
        return True


def test_reserved_port_is_not_assigned_to_another_program(port: int, other_program: socket.socket) -> None:
    with reserved_port("PAYMENTS_FLOWER_PORT", port), pytest.raises(OSError, match="in use"):
        other_program.bind(("127.0.0.1", 0))

    other_program.bind(("127.0.0.1", 0))

    assert other_program.getsockname()[1] == port


def test_reserved_port_is_not_assigned_to_an_outgoing_connection(port: int, other_program: socket.socket) -> None:
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as elsewhere,
        reserved_port("PAYMENTS_FLOWER_PORT", port),
        pytest.raises(OSError, match="assign requested address"),
    ):
        other_program.connect(elsewhere.getsockname())


def test_server_can_listen_on_a_reserved_port_repeatedly(port: int) -> None:
    with reserved_port("PAYMENTS_FLOWER_PORT", port):
        assert can_serve(port)
        assert can_serve(port)


def test_taken_port_is_reported_with_its_setting(port: int) -> None:
    message = f"port {port} of 127.0.0.1 is taken by another program; set PAYMENTS_FLOWER_PORT to a free one"

    with (
        closing(socket.create_server(("127.0.0.1", port))),
        pytest.raises(PortTakenError, match=message),
        reserved_port("PAYMENTS_FLOWER_PORT", port),
    ):
        pass
