"""A port of ours is ours while its server starts and restarts, and nobody is handed it meanwhile."""

import socket
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from workers.runtime.ports import PortTakenError, free_port, reserved_port

_IP_LOCAL_PORT_RANGE = 51  # linux/in.h: from which ports a socket is handed a free one

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a server listen on what is held")


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def stranger(port: int) -> Iterator[socket.socket]:
    """A program that asks for a free port, of which there is only this one."""
    with closing(socket.socket()) as stranger:
        try:
            stranger.setsockopt(
                socket.IPPROTO_IP, _IP_LOCAL_PORT_RANGE, ((port << 16) | port).to_bytes(4, sys.byteorder)
            )
        except OSError:
            pytest.skip("this kernel hands out ports of one range only")
        yield stranger


def serves(port: int) -> bool:
    with closing(socket.create_server(("127.0.0.1", port))), socket.create_connection(("127.0.0.1", port), 5):
        return True


def test_a_free_port_is_handed_to_whoever_asks_until_it_is_held(port: int, stranger: socket.socket) -> None:
    with reserved_port("PAYMENTS_FLOWER_PORT", port), pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", 0))

    stranger.bind(("127.0.0.1", 0))

    assert stranger.getsockname()[1] == port


def test_nobody_who_connects_somewhere_is_handed_a_port_that_is_held(port: int, stranger: socket.socket) -> None:
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as elsewhere,
        reserved_port("PAYMENTS_FLOWER_PORT", port),
        pytest.raises(OSError, match="assign requested address"),
    ):
        stranger.connect(elsewhere.getsockname())


def test_a_server_can_listen_on_a_port_that_is_held_and_again_after_it_ended(port: int) -> None:
    with reserved_port("PAYMENTS_FLOWER_PORT", port):
        assert serves(port)
        assert serves(port)


def test_a_port_on_which_another_program_listens_is_refused_by_the_name_of_its_setting(port: int) -> None:
    refused = f"port {port} of 127.0.0.1 is taken by another program; set PAYMENTS_FLOWER_PORT to a free one"

    with (
        closing(socket.create_server(("127.0.0.1", port))),
        pytest.raises(PortTakenError, match=refused),
        reserved_port("PAYMENTS_FLOWER_PORT", port),
    ):
        pass
