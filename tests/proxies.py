"""Proxies in front of a server. One adds TLS. The other accepts TCP connections for a server on a Unix socket."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a self-signed certificate for 127.0.0.1, and return its file and the file of its key. Needs openssl."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=feed"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(["openssl", *request.split(), *names], check=True, capture_output=True)
    return certificate, key


@contextmanager
def tls_proxy(certificate: tuple[Path, Path], target: tuple[str, int]) -> Iterator[int]:
    """Run a TLS proxy in front of a server, and yield its port. `certificate` is the result of `make_certificate`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    with _run_proxy(
        lambda client: context.wrap_socket(client, server_side=True), lambda: socket.create_connection(target)
    ) as port:
        yield port


@contextmanager
def socket_proxy(path: Path) -> Iterator[int]:
    """Run a proxy in front of a server that listens on a Unix socket. Yield the proxy's port."""

    def connect_upstream() -> socket.socket:
        upstream = socket.socket(socket.AF_UNIX)
        upstream.connect(str(path))
        return upstream

    with _run_proxy(lambda client: client, connect_upstream) as port:
        yield port


@contextmanager
def _run_proxy(
    wrap: Callable[[socket.socket], socket.socket], connect_upstream: Callable[[], socket.socket]
) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept_clients() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=forward, args=(client,), daemon=True).start()

        def forward(client: socket.socket) -> None:
            with suppress(OSError), wrap(client) as near, connect_upstream() as far:
                threading.Thread(target=_pump, args=(far, near), daemon=True).start()
                _pump(near, far)

        threading.Thread(target=accept_clients, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65_536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_RDWR)
