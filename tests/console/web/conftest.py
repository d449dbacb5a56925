"""Fixtures that serve the console in this process, on a separate database and feed, with a user of each role."""

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from httpx import Client, HTTPTransport, Response

from config.engines import Engines
from config.settings import read_settings
from console.web.app import create_app
from payments.access import authentication
from payments.access.authentication import NewPassword
from payments.access.rights import Role, User
from payments.contract.event import ChargeType
from payments.core.scope import Scope
from payments.journeys import configuring
from payments.journeys.configuring import SettingsUpdate
from payments.store.db.connection import Database, connect, transaction
from tests.builders.committed import ClinicLedger
from tests.console.conftest import CHEAP
from tests.engines import scratch_database

PASSWORD = "correct horse battery"  # noqa: S105 (used by these tests only)
METRICS_TOKEN = "only-for-these-tests"  # noqa: S105 (used by these tests only)
# The tests use plain HTTP; loading the system's certificates for each client would be slow.
EMPTY_TLS_CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CLINIC, OTHER_CLINIC = "north", "south"


class Browser:
    """An HTTP client of a logged-in user. Forms and calls are sent with the session's CSRF token."""

    def __init__(self, client: Client, name: str) -> None:
        self.client, self.name = client, name

    def get(self, path: str, **query: Any) -> Response:
        return self.client.get(path, params=query or None)

    def post(self, path: str, **fields: Any) -> Response:
        return self.client.post(path, data={"csrf": self.csrf, **fields})

    @cached_property
    def csrf(self) -> str:
        """The CSRF token of the session."""
        return csrf_of(self.get("/own-account"))

    def call(self, path: str, body: object) -> Response:
        return self.client.post(path, json=body, headers={"x-csrf-token": self.csrf})


@pytest.fixture(scope="package")
def engines(postgres_url: str, ledger_template: str, redis_url: str) -> Iterator[Engines]:
    with scratch_database(postgres_url, ledger_template) as url:
        yield Engines.from_urls(url, redis_url)


@pytest.fixture(scope="package")
def site(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """The application, with a user of each role and users who are limited to one clinic."""
    home: Path = tmp_path_factory.mktemp("console")
    app = create_app(read_settings({"PAYMENTS_HOME": str(home), "PAYMENTS_METRICS_TOKEN": METRICS_TOKEN}), engines)
    now = datetime.now(UTC)
    with open_as_owner(app) as database, transaction(database) as tx:
        for clinic in (CLINIC, OTHER_CLINIC):
            update = SettingsUpdate(clinic, "company", integration=True, charge_types=[ChargeType.COPAY])
            configuring.set_clinic(tx, update, now=now, who="user:admin")
        password = NewPassword(PASSWORD, CHEAP)
        for role in Role:
            authentication.add_user(tx, User(role.value, role), password, now, "tests")
        for role in (Role.BILLING, Role.SUPPORT):
            limited = User(f"{role}-of-north", role, Scope(frozenset({"company"}), frozenset({CLINIC})))
            authentication.add_user(tx, limited, password, now, "tests")
    yield app
    app.state.console.database.dispose()
    app.state.console.feed.close()


@pytest.fixture(scope="package")
def address(site: FastAPI) -> Iterator[str]:
    """The URL of the served application."""
    with serve(site) as found:
        yield found


@contextmanager
def open_as_owner(app: FastAPI) -> Iterator[Database]:
    """Open an application's database with the role that owns the tables, which sees every company."""
    database = connect(app.state.console.engines.database_url, application_name="tests", pool_size=4)
    yield database
    database.dispose()


@contextmanager
def serve(app: FastAPI) -> Iterator[str]:
    """Serve an application with uvicorn, as in production. Yield the application's URL."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # uvicorn sets this on its own sockets. Without it, the second packet of each response waits 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="package")
def ledger_database(site: FastAPI) -> Iterator[Database]:
    with open_as_owner(site) as database:
        yield database


@pytest.fixture(scope="package")
def logged_in(address: str) -> Iterator[Callable[[str], Browser]]:
    """Return a function that returns the browser of a user, who logs in at the first call."""
    known: dict[str, Browser] = {}

    def log_in(name: str) -> Browser:
        if name not in known:
            client = client_at(address)
            assert send_login(client, name, PASSWORD).status_code == 303
            known[name] = Browser(client, name)
        return known[name]

    yield log_in
    for browser in known.values():
        browser.client.close()


@pytest.fixture
def anonymous_client(address: str) -> Iterator[Client]:
    """An HTTP client that is not logged in."""
    with client_at(address) as client:
        yield client


def client_at(address: str, local_address: str = "127.0.0.1") -> Client:
    """Return a client that connects from this loopback address (any of 127.0.0.0/8)."""
    transport = HTTPTransport(verify=EMPTY_TLS_CONTEXT, local_address=local_address)
    return Client(base_url=address, transport=transport, timeout=30)


def send_login(client: Client, name: str, password: str, **fields: str) -> Response:
    """Submit the login form."""
    known = {"csrf": csrf_of(client.get("/login")), "name": name, "password": password}
    return client.post("/login", data={**known, **fields})


def csrf_of(page: Response) -> str:
    """Return the CSRF token in the forms of a page."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert found
    return found[1]


@pytest.fixture
def ledger(ledger_database: Database) -> ClinicLedger:
    return ClinicLedger(ledger_database)
