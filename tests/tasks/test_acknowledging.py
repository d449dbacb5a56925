"""An acknowledgement whose connection is cut takes effect completely or not at all."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import redis

from tasks.feed import stream
from tasks.resources import Resources, connect_redis

pytestmark = pytest.mark.slow

ENTRY_COUNT = 3


class CuttingProxy:
    """A proxy that cuts the connection after it has forwarded `left` bytes. If `left` is None, it cuts nothing."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.left: int | None = None
        self.forwarded = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._server = (parts.hostname, parts.port or 6379)
        login, at, _ = parts.netloc.rpartition("@")
        port = self._listener.getsockname()[1]
        self.url = parts._replace(netloc=f"{login}{at}127.0.0.1:{port}").geturl()
        self._forwarder = threading.Thread(target=self._forward)
        self._forwarder.start()

    def _forward(self) -> None:
        near, _ = self._listener.accept()
        with near, socket.create_connection(self._server) as far:
            requests = threading.Thread(target=self._forward_requests, args=(near, far))
            requests.start()
            with contextlib.suppress(OSError):
                while data := far.recv(65_536):  # until the server has handled all requests
                    near.sendall(data)
            with contextlib.suppress(OSError):
                near.shutdown(socket.SHUT_RDWR)
            requests.join()

    def _forward_requests(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(65_536):
                piece = data if self.left is None else data[: self.left]
                # Counted before forwarding, because the client may read these as soon as the server has answered.
                self.left = None if self.left is None else self.left - len(piece)
                self.forwarded += len(piece)
                far.sendall(piece)
                if len(piece) < len(data):
                    break
            far.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Wait until the server has handled all forwarded bytes. The caller must disconnect the client before."""
        self._forwarder.join()
        self._listener.close()


@contextlib.contextmanager
def proxy_and_client(resources: Resources) -> Iterator[tuple[CuttingProxy, redis.Redis]]:
    kwargs = resources.feed.connection_pool.connection_kwargs
    proxy = CuttingProxy(
        f"redis://:{kwargs.get('password') or ''}@{kwargs['host']}:{kwargs['port']}/{kwargs.get('db', 0)}"
    )
    with contextlib.closing(proxy), connect_redis(proxy.url) as client:
        client.ping()
        proxy.forwarded = 0
        yield proxy, client


@pytest.fixture
def delivered_ids(resources: Resources) -> Iterator[list[str]]:
    for _ in range(ENTRY_COUNT):
        resources.feed.xadd(resources.settings.stream, {"event": "{}"})
    entries = stream.read_new(resources.feed, [resources.settings.stream], 100, "no-reply")[resources.settings.stream]
    ids = [each.entry_id for each in entries]
    yield ids
    stream.acknowledge_and_delete(resources.feed, resources.settings.stream, ids)


def test_interrupted_acknowledgement_takes_effect_completely_or_not_at_all(
    resources: Resources, delivered_ids: list[str]
) -> None:
    name = resources.settings.stream
    with proxy_and_client(resources) as (proxy, client):
        stream.acknowledge_and_delete(
            client, name, ["1000000000000-0"] * ENTRY_COUNT
        )  # unknown ids, as long as the real ones
        whole = proxy.forwarded

    seen = set()
    for cut in range(0, whole, 3):
        with proxy_and_client(resources) as (proxy, client):
            proxy.left = cut
            with contextlib.suppress(redis.RedisError):
                stream.acknowledge_and_delete(client, name, delivered_ids)
        seen.add((stream.pending_count(resources.feed, name), resources.feed.xlen(name)))

    assert seen == {(ENTRY_COUNT, ENTRY_COUNT)}
