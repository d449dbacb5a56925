"""What is committed leaves the feed whole or not at all, wherever the connection to it is cut."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import redis

from tasks.feed import stream
from tasks.resources import Resources, connect_redis

ENTRIES = 3


class Wire:
    """A wire to a server that passes on so many bytes of what is asked, and then no more; None passes all of it."""

    def __init__(self, url: str) -> None:
        there = urlsplit(url)
        self.left: int | None = None
        self.passed = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._there = (there.hostname, there.port or 6379)
        login, at, _ = there.netloc.rpartition("@")
        port = self._listener.getsockname()[1]
        self.url = there._replace(netloc=f"{login}{at}127.0.0.1:{port}").geturl()
        self._carrier = threading.Thread(target=self._carry)
        self._carrier.start()

    def _carry(self) -> None:
        near, _ = self._listener.accept()
        with near, socket.create_connection(self._there) as far:
            asker = threading.Thread(target=self._ask, args=(near, far))
            asker.start()
            with contextlib.suppress(OSError):
                while data := far.recv(65_536):  # until the server has dealt with all that it was asked
                    near.sendall(data)
            with contextlib.suppress(OSError):
                near.shutdown(socket.SHUT_RDWR)
            asker.join()

    def _ask(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(65_536):
                piece = data if self.left is None else data[: self.left]
                # counted before it is passed on: who asked may read or set these as soon as the server has answered
                self.left = None if self.left is None else self.left - len(piece)
                self.passed += len(piece)
                far.sendall(piece)
                if len(piece) < len(data):
                    break
            far.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Wait until the server has dealt with what was passed on; whoever uses the wire has let go of it before."""
        self._carrier.join()
        self._listener.close()


@contextlib.contextmanager
def wired(here: Resources) -> Iterator[tuple[Wire, redis.Redis]]:
    kwargs = here.feed.connection_pool.connection_kwargs
    wire = Wire(f"redis://:{kwargs.get('password') or ''}@{kwargs['host']}:{kwargs['port']}/{kwargs.get('db', 0)}")
    with contextlib.closing(wire), connect_redis(wire.url) as client:
        client.ping()
        wire.passed = 0
        yield wire, client


@pytest.fixture
def handed_out(here: Resources) -> Iterator[list[str]]:
    for _ in range(ENTRIES):
        here.feed.xadd(here.settings.stream, {"event": "{}"})
    taken = stream.take_new(here.feed, [here.settings.stream], 100, "nobody")[here.settings.stream]
    ids = [each.entry_id for each in taken]
    yield ids
    stream.acknowledge(here.feed, here.settings.stream, ids)


def test_an_acknowledgement_that_is_cut_off_leaves_everything_or_nothing(
    here: Resources, handed_out: list[str]
) -> None:
    name = here.settings.stream
    with wired(here) as (wire, client):
        stream.acknowledge(client, name, ["1000000000000-0"] * ENTRIES)  # nobody's, and as long as the real one
        whole = wire.passed

    seen = set()
    for cut in range(0, whole, 3):
        with wired(here) as (wire, client):
            wire.left = cut
            with contextlib.suppress(redis.RedisError):
                stream.acknowledge(client, name, handed_out)
        seen.add((stream.outstanding(here.feed, name), stream.feed_length(here.feed, name)))

    assert seen == {(ENTRIES, ENTRIES)}
