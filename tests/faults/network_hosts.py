"""Simulate hosts as network namespaces. A veth link, which can be cut, connects each host to this machine."""

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from config.engines import Engines
from tests.acceptance.stack import clean_environment

ROOT = Path(__file__).resolve().parents[2]
Address = tuple[str, int] | str
"""A host and a port, or the path of a socket."""


class Host:
    """A simulated host: a network namespace with a veth link. `near` is this machine's address on the link."""

    def __init__(self, number: int, home: Path) -> None:
        self.name, self.home = f"pay-{os.getpid()}-{number}", home
        self.cable = f"pay{os.getpid() % 100_000}{number}"
        self.near, self.far = f"10.231.{number}.1", f"10.231.{number}.2"
        self.running: list[subprocess.Popen[bytes]] = []

    def create(self) -> None:
        """Create the namespace and the link."""
        ip("netns", "add", self.name)
        ip("link", "add", self.cable, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        ip("address", "add", f"{self.near}/24", "dev", self.cable)
        ip("-n", self.name, "address", "add", f"{self.far}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            ip("-n", self.name, "link", "set", device, "up")
        self.connect_cable()

    def connect_cable(self) -> None:
        """Set the link up."""
        ip("link", "set", self.cable, "up")

    def disconnect_cable(self) -> None:
        """Drop all packets of the link, without closing connections."""
        ip("link", "set", self.cable, "down")

    def start_process(self, module: str, settings: Mapping[str, str]) -> None:
        """Start a process of the stack on this host. In it, the hostname is the host's name."""
        self.home.mkdir(exist_ok=True)
        inside = ["ip", "netns", "exec", self.name, "unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"']
        with (self.home / f"{module}.log").open("wb") as log:
            self.running.append(
                subprocess.Popen(
                    [*inside, self.name, sys.executable, "-m", module],
                    env=clean_environment() | {"PAYMENTS_HOME": str(self.home), "REMAP_SIGTERM": "SIGQUIT", **settings},
                    cwd=ROOT,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )

    def destroy(self) -> None:
        """End the processes of the host, and delete the namespace and the link."""
        for process in self.running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()
        subprocess.run(["ip", "netns", "delete", self.name], check=False)
        subprocess.run(["ip", "link", "delete", self.cable], check=False, stderr=subprocess.DEVNULL)


def ip(*words: str) -> None:
    """Run an `ip` command."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


def can_create_namespaces() -> bool:
    """Return whether this process may create network namespaces."""
    if os.geteuid() or not shutil.which("ip") or not shutil.which("unshare"):
        return False
    name = f"pay-{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True).returncode == 0
    if made:
        ip("netns", "delete", name)
    return made


@contextmanager
def forward_engines(near: str, engines: Engines, sockets: Mapping[str, Address]) -> Iterator[Engines]:
    """Let a host reach PostgreSQL and Redis, which run on this machine. Yield the URLs that the host must use.

    `near` is this machine's address on the link to the host. `sockets` has the real addresses of `postgres` and
    `redis`, to which TCP connections are forwarded.
    """
    with (
        closing(TcpForwarder(near, sockets["postgres"])) as postgres,
        closing(TcpForwarder(near, sockets["redis"])) as redis,
    ):
        database = urlsplit(engines.database_url)
        login, _, place = engines.redis_url.rpartition("@")
        yield Engines.from_urls(
            f"postgresql://{database.username}@{near}:{postgres.port}{database.path}",
            f"{login}@{near}:{redis.port}/{place.rpartition('/')[2]}",
        )


class TcpForwarder:
    """Listens on a free port of the address `near`, and forwards TCP connections to the address `to`."""

    def __init__(self, near: str, to: Address) -> None:
        self._to, self._server = to, socket.create_server((near, 0))
        self._ends: list[socket.socket] = []
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def forward_to(self, to: Address) -> None:
        """Forward new connections to the address `to`. Existing connections stay with the earlier address."""
        self._to = to

    def close(self) -> None:
        """Stop accepting connections."""
        for end in (self._server, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._server.accept()
                called = socket.socket(socket.AF_UNIX if isinstance(self._to, str) else socket.AF_INET)
                self._ends += (caller, called)
                try:
                    called.connect(self._to)
                except OSError:
                    caller.close()
                    continue
                for ends in ((caller, called), (called, caller)):
                    threading.Thread(target=pump, args=ends, daemon=True).start()


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy bytes from `source` to `sink` until one of them is closed. Then shut down both sockets."""
    with suppress(OSError):
        while piece := source.recv(65_536):
            sink.sendall(piece)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
