"""Run embedded PostgreSQL, embedded Valkey or both in a home directory: for tests, the demo and the benchmark."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.engines import Engines
from devstack.child_process import has_ended, spawn, stop
from devstack.embedded_postgres import prepare_postgres
from devstack.embedded_valkey import prepare_valkey
from devstack.engine_process import Engine, EngineError
from workers.runtime.ports import reserve_port


class HomeInUseError(Exception):
    """Another process, such as `payments up`, has locked the home directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        super().__init__(f"another `payments up` runs in {home}; stop it first, or set PAYMENTS_HOME to another folder")


@contextmanager
def home_lock(home: Path) -> Iterator[None]:
    """Lock the directory `home` until the block ends. The kernel releases the lock even if the process is killed.

    Raises HomeInUseError if another process holds the lock.
    """
    (home / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
    with (home / "run" / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HomeInUseError(home) from None
        yield


@contextmanager
def embedded_engines(home: Path, *, durable: bool = True) -> Iterator[Engines]:
    """Lock the directory `home`, run PostgreSQL and Valkey in it until the block ends, and yield their URLs.

    Call this function from the main thread. Raises HomeInUseError if another process has locked `home`, and
    EngineError if a server does not start.
    """
    with (
        home_lock(home),
        embedded_postgres(home, durable=durable) as database_url,
        embedded_valkey(home, durable=durable) as redis_url,
    ):
        yield Engines.from_urls(database_url, redis_url)


@contextmanager
def embedded_postgres(home: Path, *, durable: bool = True) -> Iterator[str]:
    """Run PostgreSQL in the directory `home` until the block ends, and yield its URL.

    If `durable` is False (for tests), fsync is off. Raises EngineError if the server does not start.
    """
    engine = prepare_postgres(home, durable=durable)
    with _run_engine(engine, home):
        yield engine.url
    engine.remove_socket_folder()


@contextmanager
def embedded_valkey(home: Path, *, durable: bool = True) -> Iterator[str]:
    """Run Valkey in the directory `home` until the block ends, and yield its URL.

    If `durable` is False, the data does not survive a restart. Raises EngineError if the server does not start.
    """
    engine = prepare_valkey(home, durable=durable)
    with reserve_port(engine.port), _run_engine(engine, home):
        yield engine.url


@contextmanager
def _run_engine(engine: Engine, home: Path) -> Iterator[None]:
    log = home / "log" / f"{engine.name}.log"
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    child = engine.child()
    with log.open("wb") as file:
        process = spawn(child, file)
    try:
        engine.wait_until_ready(lambda: not has_ended(process))
        yield
    except EngineError as error:
        raise EngineError(f"{error}; the end of {log}: {_last_lines(log)}") from None
    finally:
        stop(process, child)


def _last_lines(log: Path) -> str:
    return " / ".join(log.read_text(errors="replace").splitlines()[-3:])
