"""A node of the cluster runs Patroni, which starts PostgreSQL."""

import json
import os
import pwd
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, SIGSTOP, Signals
from typing import Any

import yaml

from devstack.postgres_binaries import ensure_unprivileged_user, postgres_program
from tests.failover.node_network import LoopbackNetwork
from tests.faults.processes import children_of, is_alive
from workers.runtime.ports import free_port

CLUSTER_NAME = "payments"
PATRONI_PROGRAMS = Path(__file__).resolve().parents[2] / ".venv-failover" / "bin"
FAILED_CHECKS_MAX = 5
DISK_MEGABYTES = 1500
TTL_SECONDS = 20
"""Patroni replaces a primary that has not renewed its leader key for this time. Patroni allows no shorter time."""
_CLUSTER_CONFIGURATION = {
    "ttl": TTL_SECONDS,
    "loop_wait": 2,
    "retry_timeout": 3,
    "primary_start_timeout": 0,
    "synchronous_mode": True,
    "postgresql": {
        "use_pg_rewind": True,
        "use_slots": True,
        "parameters": {
            "max_connections": 80,
            "shared_buffers": "64MB",
            "min_wal_size": "32MB",
            "max_wal_size": "256MB",
            "wal_keep_size": "64MB",
            "wal_sender_timeout": "10s",
            "wal_receiver_timeout": "10s",
        },
    },
}


class Node:
    """A node: its Patroni, and the PostgreSQL that Patroni starts. The file `ballast` can fill the node's disk."""

    def __init__(self, number: int, folder: Path, network: LoopbackNetwork, etcd: str) -> None:
        self.number, self.name, self.folder = number, f"node{number}", folder / f"node{number}"
        self.network, self.address = network, network.address(number)
        self.port, self.rest_port, self.etcd = free_port(), free_port(), etcd
        self.data, self.ballast = self.folder / "data", self.folder / "ballast"
        self.process: subprocess.Popen[bytes] | None = None
        self.has_own_disk = False
        self.started_at = 0.0
        self.failed_checks = 0

    def prepare(self) -> None:
        """Create the folder and Patroni's configuration. If possible, the folder is on a separate disk."""
        self.folder.mkdir(mode=0o700)
        disk = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m,mode=0700", "tmpfs", str(self.folder)]
        self.has_own_disk = subprocess.run(disk, check=False, capture_output=True).returncode == 0
        self.user = ensure_unprivileged_user(self.folder)
        (self.folder / "patroni.yml").write_text(yaml.safe_dump(self._configuration()))
        (self.folder / "patroni.yml").chmod(0o644)

    def start(self) -> None:
        """Start Patroni. It starts PostgreSQL, as the primary or as a standby."""
        as_user: list[str] = []
        if self.user is not None:
            group = pwd.getpwuid(self.user).pw_gid
            as_user = ["setpriv", f"--reuid={self.user}", f"--regid={group}", "--clear-groups"]
        command = [
            *self.network.command_prefix(self.number),
            *as_user,
            str(PATRONI_PROGRAMS / "patroni"),
            "patroni.yml",
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        self.started_at, self.failed_checks = time.monotonic(), 0

    def postgres_pids(self) -> list[int]:
        """Return the pids of the postmaster and its children. The list is empty if PostgreSQL does not run."""
        with suppress(OSError, ValueError, IndexError):
            pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
            if is_alive(pid):
                return [pid, *children_of(pid)]
        return []

    def signal_postgres(self, number: Signals) -> None:
        """Send a signal to the postmaster and its children."""
        for pid in self.postgres_pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """Kill Patroni and PostgreSQL, as a reset of the machine does."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, SIGSTOP)
        self.signal_postgres(SIGKILL)
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, SIGKILL)
            self.process.wait()

    def watch(self) -> None:
        """Restart Patroni if it has ended, as systemd does. Reset the node if its Patroni hangs, as a watchdog does."""
        if self.process is None:
            return
        if self.process.poll() is not None:
            self.start()
        elif self.query_patroni("liveness", from_inside=True) is not None:
            self.failed_checks = 0
        elif time.monotonic() - self.started_at > TTL_SECONDS:
            self.failed_checks += 1
            if self.failed_checks >= FAILED_CHECKS_MAX:
                self.kill()
                self.start()

    def destroy(self) -> None:
        """End the processes, and free the disk."""
        self.kill()
        if self.has_own_disk:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False)

    def query_patroni(self, path: str, *, from_inside: bool = False) -> dict[str, Any] | None:
        """Return the answer of the node's Patroni to a REST request, or None after an error or without an answer.

        The request is sent from outside the node, so a node that is cut off does not answer. With `from_inside`, it is
        sent from the node itself.
        """
        prefix = self.network.command_prefix(self.number) if from_inside else []
        url = f"http://{self.address}:{self.rest_port}/{path}"
        command = [*prefix, "curl", "--silent", "--fail", "--max-time", "2", url]
        asked = subprocess.run(command, check=False, capture_output=True)
        if asked.returncode:
            return None
        with suppress(ValueError):
            return dict(json.loads(asked.stdout or b"{}"))
        return {}

    def _configuration(self) -> Mapping[str, object]:
        trust = {"username": "postgres"}
        return {
            "scope": CLUSTER_NAME,
            "name": self.name,
            "etcd3": {"hosts": [self.etcd]},
            "restapi": {
                "listen": f"{self.address}:{self.rest_port}",
                "connect_address": f"{self.address}:{self.rest_port}",
            },
            "bootstrap": {
                "dcs": _CLUSTER_CONFIGURATION,
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums"],
            },
            "postgresql": {
                "listen": f"{self.address}:{self.port}",
                "connect_address": f"{self.address}:{self.port}",
                "data_dir": str(self.data),
                "bin_dir": str(Path(postgres_program("postgres")).parent),
                "pgpass": str(self.folder / "pgpass"),
                "authentication": {"superuser": trust, "replication": trust, "rewind": trust},
                "pg_hba": ["local all all trust", "host all all all trust", "host replication all all trust"],
                "parameters": {"unix_socket_directories": str(self.folder), "timezone": "UTC"},
            },
        }
