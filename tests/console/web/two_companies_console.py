"""Serve a console on the data of two companies, and find data of the other company in its responses."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from httpx import Response
from sqlalchemy import Table, text

from config.engines import Engines
from config.settings import read_settings
from console.web.app import create_app
from payments.access import authentication
from payments.access.authentication import NewPassword
from payments.access.rights import Role, User
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.connection import Database, transaction
from payments.store.tables import metadata
from tests.console.web.conftest import CHEAP, PASSWORD, Browser, client_at, open_as_owner, send_login, serve
from tests.console.web.two_companies import (
    ADMIN_OF_ALL,
    FOREIGN,
    FOREIGN_TEXTS,
    FOREIGN_USER,
    OWN,
    ForeignIds,
    fill_ledger,
)


def console_users() -> list[User]:
    """Return a user of each role of the own company, a user of the other company, and an administrator of both."""
    own = [User(f"{role}-of-alpha", role, Scope.of_companies(OWN)) for role in Role]
    return [
        *own,
        User(FOREIGN_USER, Role.BILLING, Scope.of_companies(FOREIGN)),
        User(ADMIN_OF_ALL, Role.ADMIN, EVERYTHING),
    ]


@contextmanager
def two_companies_console(engines: Engines, home: Path) -> Iterator[FastAPI]:
    """Fill an empty ledger, and yield a console on it."""
    app = create_app(read_settings({"PAYMENTS_HOME": str(home)}), engines)
    with open_as_owner(app) as database:
        fill_ledger(database)
        with transaction(database) as tx:
            for user in console_users():
                authentication.add_user(tx, user, NewPassword(PASSWORD, CHEAP), datetime.now(UTC), "tests")
    yield app
    app.state.console.database.dispose()
    app.state.console.feed.close()


@contextmanager
def logged_in_browsers(app: FastAPI, names: Sequence[str]) -> Iterator[dict[str, Browser]]:
    """Serve the console, and yield a logged-in browser of each user, by name."""
    with serve(app) as address:
        found = {}
        for name in names:
            client = client_at(address)
            assert send_login(client, name, PASSWORD).status_code == 303
            found[name] = Browser(client, name)
        yield found
        for browser in found.values():
            browser.client.close()


def foreign_ids(database: Database) -> ForeignIds:
    """Return the ids of rows of the other company."""
    with transaction(database) as tx:
        exception = tx.execute(text("SELECT min(id) FROM findings")).scalar_one()
        runs = list(tx.execute(text("SELECT id FROM requeue_runs ORDER BY id")).scalars())
        dead_letters = list(tx.execute(text("SELECT id FROM set_aside ORDER BY id")).scalars())
        entry = tx.execute(text("SELECT min(entry_ref) FROM manual_entries")).scalar_one()
        drawer = tx.execute(text("SELECT min(id) FROM drawers")).scalar_one()
        deposit = tx.execute(text("SELECT min(id) FROM deposits")).scalar_one()
        refund = tx.execute(text("SELECT min(id) FROM repayments")).scalar_one()
        transfer = tx.execute(text("SELECT min(id) FROM transfers")).scalar_one()
    assert len(dead_letters) == 4
    return ForeignIds(exception, runs, dead_letters, entry, drawer, deposit, refund, transfer)


def send_request(browser: Browser, endpoint: str, fields: dict[str, Any], ids: ForeignIds) -> Response:
    """Send a request to an endpoint, such as `GET /account`. `fields` fill the path, then the query or form."""
    method, path = endpoint.split()
    fields = dict(fields)
    path = path.replace("{exception_id}", str(ids.exception))
    for name in re.findall(r"\{(\w+)\}", path):
        path = path.replace(f"{{{name}}}", str(fields.pop(name, "")))
    if method == "GET":
        return browser.get(path, **fields)
    return browser.call(path, fields) if path.startswith("/api/") else browser.post(path, **fields)


def seen_secrets(shown: str, fields: dict[str, Any]) -> set[str]:
    """Return which data of the other company a text shows, except values that the request itself contains."""
    named = json.dumps(fields)
    shown = shown.replace("<mark>", "")
    for each in re.findall(r"beta-[a-z]+", named):
        shown = shown.replace(each, "")
    return {secret for secret in FOREIGN_TEXTS if secret in shown and secret not in named}


def stored_rows(database: Database) -> dict[str, list[str]]:
    """Return, by table, all rows of other companies or of no company, and rows that belong to users.

    Of the audit history, only the entries of the other company are returned, because each request may add an entry
    without a company.
    """
    conditions = {
        **{each.name: "company_id IS DISTINCT FROM :own" for each in metadata.tables.values() if _has_company(each)},
        "audit": "company_id = :foreign",
        "requeue_runs": "true",
        "users": "true",
        "sessions": "user_name IN (:user, :admin)",
        "uploaded_logs": "true",
    }
    values = {"own": OWN, "foreign": FOREIGN, "user": FOREIGN_USER, "admin": ADMIN_OF_ALL}
    with transaction(database) as tx:
        return {
            name: sorted(map(repr, tx.execute(text(f"SELECT * FROM {name} WHERE {condition}"), values)))
            for name, condition in conditions.items()
        }


def _has_company(table: Table) -> bool:
    return "company_id" in table.columns
