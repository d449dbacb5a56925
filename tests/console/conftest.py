"""Fixtures that run the `payments` command in this process, on a separate real database and Redis."""

import json
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import redis

from config.redis_urls import default_broker_url
from console.cli import main
from payments.access.authentication import HashCost
from payments.store.db import connection
from payments.store.db.connection import Database, connect
from tests.builders.committed import CommittedLedger
from tests.builders.events import NOW
from tests.console.identical_ledgers import Ledgers, ledgers_after_the_fortnight
from tests.engines import empty_redis, scratch_database

# Cheap hashing: the tests log in many users.
CHEAP = HashCost(memory_kib=8, passes=1, lanes=1)
UNREACHABLE_REDIS_URL = "redis://127.0.0.1:1/0"
# The options with which a command connects to PostgreSQL.
COMMAND_OPTIONS: dict[str, Any] = {"application_name": "payments console", "pool_size": 1}
CommitBeforeCall = Callable[[ModuleType, str, Callable[[], object]], None]
"""Arguments: a module, the name of a function in it, and `commit`, which runs before that function's next call."""


class CommandResult(NamedTuple):
    """The exit status and the output of a command."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> Any:
        """The parsed JSON output of a successful command."""
        assert (self.status, self.err) == (0, "")
        return json.loads(self.out)


class Terminal:
    """Runs `payments` commands and captures their output."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def run(self, *arguments: str) -> CommandResult:
        self._capfd.readouterr()
        status = main.run(arguments)
        return CommandResult(status, *self._capfd.readouterr())


@pytest.fixture(scope="package")
def ledger_url(postgres_url: str, ledger_template: str) -> Iterator[str]:
    with scratch_database(postgres_url, ledger_template) as url:
        yield url


@pytest.fixture(scope="package")
def ledger_database(ledger_url: str) -> Iterator[Database]:
    database = connect(ledger_url, application_name="tests")
    yield database
    database.dispose()


@pytest.fixture
def billing(ledger_database: Database) -> CommittedLedger:
    """The ledger that the commands use. Tests share it, so each test uses separate clinics."""
    return CommittedLedger(ledger_database, NOW)


@pytest.fixture
def unconfigured_terminal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> Terminal:
    """A terminal whose environment has no DATABASE_URL and REDIS_URL, and a home where no stack runs."""
    for name in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PAYMENTS_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    return Terminal(capfd)


@pytest.fixture
def feed(redis_url: str) -> Iterator[redis.Redis]:
    """A client of the feed to which the commands publish. The feed is emptied after the test."""
    with redis.Redis.from_url(redis_url) as client:
        yield client
    empty_redis(redis_url)
    empty_redis(default_broker_url(redis_url))


@pytest.fixture(scope="package")
def command_database(ledger_url: str) -> Iterator[Database]:
    """The connection pool that all commands share, because a connection for each command doubles the test time."""
    engine = connect(ledger_url, **COMMAND_OPTIONS | {"pool_size": 2})  # a test may run a command within another
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(engine, "dispose", lambda: None)
        yield engine
    engine.dispose()


@pytest.fixture
def terminal(
    unconfigured_terminal: Terminal,
    ledger_url: str,
    redis_url: str,
    command_database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> Terminal:
    """A terminal whose environment sets DATABASE_URL and REDIS_URL."""

    def connect_command(url: str, **options: Any) -> Database:
        return command_database if (url, options) == (ledger_url, COMMAND_OPTIONS) else connect(url, **options)

    monkeypatch.setattr(connection, "connect", connect_command)
    monkeypatch.setenv("DATABASE_URL", ledger_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    return unconfigured_terminal


@pytest.fixture
def commit_before_call(monkeypatch: pytest.MonkeyPatch) -> CommitBeforeCall:
    """Return a function that lets the next call of `module.name` call `commit` first."""

    def commit_before_call(module: ModuleType, name: str, commit: Callable[[], object]) -> None:
        original, pending = getattr(module, name), [commit]

        @wraps(original)
        def call(*arguments: Any) -> Any:
            if pending:
                pending.pop()()
            return original(*arguments)

        monkeypatch.setattr(module, name, call)

    return commit_before_call


@pytest.fixture(scope="session")
def ledgers(postgres_url: str, ledger_template: str) -> Iterator[Ledgers]:
    """The databases of two companies with identical ids after the fortnight: one for each company, and one for both."""
    with ledgers_after_the_fortnight(postgres_url, ledger_template) as found:
        yield found
