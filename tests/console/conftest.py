"""The `payments` command run in this process, on a real database and a real Redis of its own."""

import json
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import redis

from config.urls import default_broker_url
from console.cli import main
from payments.access.authentication import HashCost
from payments.contract.event import ChargeType, Event
from payments.journeys import configuring, importing
from payments.journeys.configuring import SettingsUpdate
from payments.store.db import connection
from payments.store.db.connection import Database, connect, transaction
from tests.engines import flush, scratch_database
from tests.make import NOW, arrived, run

# Nobody guesses passwords here, and many users log in.
CHEAP = HashCost(memory_kib=8, passes=1, lanes=1)
NOWHERE = "redis://127.0.0.1:1/0"
# How a command connects to PostgreSQL.
COMMAND_OPTIONS: dict[str, Any] = {"application_name": "payments console", "pool_size": 1}
Meanwhile = Callable[[ModuleType, str, Callable[[], object]], None]
"""From now on something is committed when a function of a module is asked for the first time, before it answers."""


class Answer(NamedTuple):
    """What a command printed, and the status it ended with."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> Any:
        """What was printed as JSON."""
        assert (self.status, self.err) == (0, "")
        return json.loads(self.out)


class Terminal:
    """Somebody who types `payments ...` and reads what comes."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def types(self, *arguments: str) -> Answer:
        self._capfd.readouterr()
        status = main.run(arguments)
        return Answer(status, *self._capfd.readouterr())


class Billing:
    """A ledger on which the console's commands work; what is written stays, so each test has clinics of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def clinic(self, clinic_id: str, *types: ChargeType) -> None:
        with transaction(self._database) as tx:
            wish = SettingsUpdate(clinic_id, "company", integration=True, charge_types=types or list(ChargeType))
            configuring.set_clinic(tx, wish, now=NOW, who="user:admin")

    def imports(self, *events: Event | bytes) -> None:
        with transaction(self._database) as tx:
            importing.import_events(tx, arrived(events), run())


@pytest.fixture(scope="package")
def ledger_url(postgres_url: str, empty_ledger: str) -> Iterator[str]:
    with scratch_database(postgres_url, empty_ledger) as url:
        yield url


@pytest.fixture(scope="package")
def ledger_database(ledger_url: str) -> Iterator[Database]:
    database = connect(ledger_url, application_name="tests")
    yield database
    database.dispose()


@pytest.fixture
def billing(ledger_database: Database) -> Billing:
    return Billing(ledger_database)


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Terminal:
    """Somebody who types where no engine is named, in a home in which nothing was ever started."""
    for name in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PAYMENTS_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    return Terminal(capfd)


@pytest.fixture
def feed(redis_url: str) -> Iterator[redis.Redis]:
    """An empty feed that the commands publish on."""
    with redis.Redis.from_url(redis_url) as client:
        yield client
    flush(redis_url)
    flush(default_broker_url(redis_url))


@pytest.fixture(scope="package")
def command_database(ledger_url: str) -> Iterator[Database]:
    """The engine of all commands of these tests. A connection of its own for each command would double their cost."""
    engine = connect(ledger_url, **COMMAND_OPTIONS | {"pool_size": 2})  # a test may run a command within another
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(engine, "dispose", lambda: None)
        yield engine
    engine.dispose()


@pytest.fixture
def terminal(
    stranger: Terminal, ledger_url: str, redis_url: str, command_database: Database, monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    """Somebody who types where the engines are named by URL."""

    def connect_command(url: str, **options: Any) -> Database:
        return command_database if (url, options) == (ledger_url, COMMAND_OPTIONS) else connect(url, **options)

    monkeypatch.setattr(connection, "connect", connect_command)
    monkeypatch.setenv("DATABASE_URL", ledger_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    return stranger


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Let something be committed between two questions."""

    def meanwhile(module: ModuleType, name: str, commit: Callable[[], object]) -> None:
        ask, waiting = getattr(module, name), [commit]

        @wraps(ask)
        def asked(*arguments: Any) -> Any:
            if waiting:
                waiting.pop()()
            return ask(*arguments)

        monkeypatch.setattr(module, name, asked)

    return meanwhile
