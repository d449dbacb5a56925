"""A proxy that loses replies. A client then does not learn whether the server executed its command."""

import contextlib
import random
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


@contextmanager
def lossy_proxy(url: str, loss_rate: float, seed: int = 7) -> Iterator[str]:
    """Yield the URL of a proxy. With probability `loss_rate`, the proxy drops a reply and closes the connection."""
    there = urlsplit(url)
    chance = random.Random(seed)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        arguments = (listener, (there.hostname, there.port or 6379), lambda: chance.random() < loss_rate)
        threading.Thread(target=_accept_clients, args=arguments, daemon=True).start()
        login, at, _ = there.netloc.rpartition("@")
        yield there._replace(netloc=f"{login}{at}127.0.0.1:{listener.getsockname()[1]}").geturl()
        listener.shutdown(socket.SHUT_RDWR)


def _accept_clients(listener: socket.socket, target: tuple[str, int], is_lost: object) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        with near, socket.create_connection(target) as far, contextlib.suppress(ConnectionError):
            _relay(near, far, is_lost)


def _relay(near: socket.socket, far: socket.socket, is_lost: object) -> None:
    while True:
        for end in select.select([near, far], [], [])[0]:
            data = end.recv(65_536)
            if not data or (end is far and is_lost()):
                return
            (far if end is near else near).sendall(data)
