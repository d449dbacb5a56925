"""The console's pages in this process, on a database and a feed of their own, visited as each kind of user."""

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
from payments.access.authentication import Password
from payments.access.rights import Role, User
from payments.contract.event import ChargeType, Event
from payments.journeys import configuring, importing
from payments.journeys.configuring import SettingsUpdate
from payments.store.db.connection import Database, transaction
from tests.console.conftest import CHEAP
from tests.engines import scratch_database
from tests.make import arrived, run
from tests.office import Office

PASSWORD = "correct horse battery"  # noqa: S105 (it opens nothing but these tests)
METRICS_TOKEN = "only-for-these-tests"  # noqa: S105 (likewise)
# Pages come by plain HTTP here; reading the certificates of all the world for each browser takes long.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CLINIC, OTHER_CLINIC = "north", "south"


class Browser:
    """Somebody at a browser who follows links and fills in forms; a form is sent with what the page put into it."""

    def __init__(self, client: Client, name: str) -> None:
        self.client, self.name = client, name

    def get(self, path: str, **query: Any) -> Response:
        return self.client.get(path, params=query or None)

    def post(self, path: str, **fields: Any) -> Response:
        return self.client.post(path, data={"csrf": self.csrf, **fields})

    @cached_property
    def csrf(self) -> str:
        """Return what every form of this session is sent with."""
        return csrf_of(self.get("/account"))

    def call(self, path: str, body: object) -> Response:
        return self.client.post(path, json=body, headers={"x-csrf-token": self.csrf})


@pytest.fixture(scope="package")
def engines(postgres_url: str, empty_ledger: str, redis_url: str) -> Iterator[Engines]:
    with scratch_database(postgres_url, empty_ledger) as url:
        yield Engines.named(url, redis_url)


@pytest.fixture(scope="package")
def site(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """The application, with a user of each role and one who is limited to a clinic."""
    home: Path = tmp_path_factory.mktemp("console")
    app = create_app(read_settings({"PAYMENTS_HOME": str(home), "PAYMENTS_METRICS_TOKEN": METRICS_TOKEN}), engines)
    now = datetime.now(UTC)
    with app.state.console.transaction() as tx:
        for clinic in (CLINIC, OTHER_CLINIC):
            wish = SettingsUpdate(clinic, "company", integration=True, charge_types=[ChargeType.COPAY])
            configuring.set_clinic(tx, wish, now=now, who="user:admin")
        password = Password(PASSWORD, CHEAP)
        for role in Role:
            authentication.add_user(tx, User(role.value, role), password, now, "tests")
        for role in (Role.BILLING, Role.SUPPORT):
            limited = User(f"{role}-of-north", role, (CLINIC,))
            authentication.add_user(tx, limited, password, now, "tests")
    yield app
    app.state.console.database.dispose()
    app.state.console.feed.close()


@pytest.fixture(scope="package")
def address(site: FastAPI) -> Iterator[str]:
    """Where the application is served."""
    with served(site) as found:
        yield found


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve an application by the very server of the product, and yield where."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # As where uvicorn makes the socket itself: else the second half of each answer waits 40 ms for the first.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="package")
def ledger_database(site: FastAPI) -> Database:
    database: Database = site.state.console.database
    return database


@pytest.fixture(scope="package")
def visitor(address: str) -> Iterator[Callable[[str], Browser]]:
    """Return somebody who is logged in under this name; each logs in once."""
    known: dict[str, Browser] = {}

    def log_in(name: str) -> Browser:
        if name not in known:
            client = stranger_at(address)
            assert send_login(client, name, PASSWORD).status_code == 303
            known[name] = Browser(client, name)
        return known[name]

    yield log_in
    for browser in known.values():
        browser.client.close()


@pytest.fixture
def stranger(address: str) -> Iterator[Client]:
    """Somebody who is not logged in."""
    with stranger_at(address) as client:
        yield client


def stranger_at(address: str, comes_from: str = "127.0.0.1") -> Client:
    """Return a browser of somebody else; every 127.x.y.z is this machine."""
    transport = HTTPTransport(verify=NO_CERTIFICATES, local_address=comes_from)
    return Client(base_url=address, transport=transport, timeout=30)


def send_login(client: Client, name: str, password: str, **fields: str) -> Response:
    """Send the form of the log-in page."""
    known = {"csrf": csrf_of(client.get("/login")), "name": name, "password": password}
    return client.post("/login", data={**known, **fields})


def csrf_of(page: Response) -> str:
    """Return what the forms of a page are sent with."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert found
    return found[1]


class Ledger:
    """What the EMR saves, imported at once and committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def office(
        self, clinic: str, work: Callable[[Office], Any], *types: ChargeType, company_id: str = "company"
    ) -> None:
        """Let the office of a clinic work; from then on it sends these charge types, or all."""
        now = datetime.now(UTC)
        with transaction(self._database) as tx:
            office = Office(tx, now.date(), company_id, clinic)
            office.now = now
            work(office)
            wish = SettingsUpdate(clinic, company_id, integration=True, charge_types=types or list(ChargeType))
            configuring.set_clinic(tx, wish, now=datetime.now(UTC), who="user:admin")

    def imports(self, clinic: str, *events: Event | bytes) -> None:
        """Import what a clinic saved that sends all charge types."""
        self.office(clinic, lambda office: office.publish(*events))

    def publishes(self, *events: Event | bytes) -> None:
        """Import what was saved, whatever the clinics' settings are."""
        with transaction(self._database) as tx:
            importing.import_events(tx, arrived(events), run(datetime.now(UTC)))


@pytest.fixture
def ledger(ledger_database: Database) -> Ledger:
    return Ledger(ledger_database)
