"""The embedded engines of a home: both at once or one alone, for tests, the demo and a desk; knows no ledger."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.engines import Engines
from devstack.child_process import has_ended, spawn, stop
from devstack.embedded_postgres import prepare_postgres
from devstack.embedded_valkey import prepare_valkey
from devstack.engine_process import Engine, EngineError
from workers.runtime.ports import hold_port


class HomeInUseError(Exception):
    """Another `payments up` runs in this home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        super().__init__(f"another `payments up` runs in {home}; stop it first, or set PAYMENTS_HOME to another folder")


@contextmanager
def home_lock(home: Path) -> Iterator[None]:
    """Hold this home for as long as the block runs; the kernel frees it even when the process is killed."""
    (home / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
    with (home / "run" / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HomeInUseError(home) from None
        yield


@contextmanager
def embedded_engines(home: Path, *, durable: bool = True) -> Iterator[Engines]:
    """Run PostgreSQL and Valkey in this home until the block ends; call it from the main thread."""
    with (
        home_lock(home),
        embedded_postgres(home, durable=durable) as database_url,
        embedded_valkey(home, durable=durable) as redis_url,
    ):
        yield Engines.named(database_url, redis_url)


@contextmanager
def embedded_postgres(home: Path, *, durable: bool = True) -> Iterator[str]:
    """Run PostgreSQL in this home until the block ends; not durable is faster, and for tests."""
    engine = prepare_postgres(home, durable=durable)
    with _running(engine, home):
        yield engine.url
    engine.forget_sockets()


@contextmanager
def embedded_valkey(home: Path, *, durable: bool = True) -> Iterator[str]:
    """Run Valkey in this home until the block ends; not durable keeps nothing from run to run."""
    engine = prepare_valkey(home, durable=durable)
    with hold_port(engine.port), _running(engine, home):
        yield engine.url


@contextmanager
def _running(engine: Engine, home: Path) -> Iterator[None]:
    log = home / "log" / f"{engine.name}.log"
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    child = engine.child()
    with log.open("wb") as file:
        process = spawn(child, file)
    try:
        engine.wait_until_ready(lambda: not has_ended(process))
        yield
    except EngineError as error:
        raise EngineError(f"{error}; the end of {log}: {_tail(log)}") from None
    finally:
        stop(process, child)


def _tail(log: Path) -> str:
    return " / ".join(log.read_text(errors="replace").splitlines()[-3:])
