"""PostgreSQL hides a company from the users of another, even if every condition and check in the code is missing."""

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import Response
from sqlalchemy import text

from config.engines import Engines
from console.web.context import RequestContext
from payments.access import authentication
from payments.access.authentication import AuditEntry
from payments.core.scope import EVERYTHING, Scope
from payments.journeys import dashboard, reporting
from payments.journeys.reporting import FeedFilter
from payments.store.db.connection import Database, transaction
from payments.store.db.isolation import ALL_COMPANIES, NO_ACCESS, Access, with_access
from tests.console.web.conftest import Browser, open_as_owner
from tests.console.web.probes import probes
from tests.console.web.two_companies import (
    FOREIGN_PATIENT,
    FOREIGN_TEXTS,
    FOREIGN_USER,
    OWN,
    REQUESTS_WITHOUT_PAYMENT_DATA,
    TEXTS_IN_REQUESTS,
    ForeignIds,
)
from tests.console.web.two_companies_console import (
    foreign_ids,
    logged_in_browsers,
    seen_secrets,
    send_request,
    stored_rows,
    two_companies_console,
)
from tests.engines import scratch_database

pytestmark = pytest.mark.slow

USER_NAME = "admin-of-alpha"  # with every right, so that no right hides a page


@pytest.fixture(scope="module")
def site(
    postgres_url: str, ledger_template: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FastAPI]:
    home = tmp_path_factory.mktemp("isolation")
    with (
        scratch_database(postgres_url, ledger_template) as url,
        two_companies_console(Engines.from_urls(url, redis_url), home) as app,
    ):
        yield app


@pytest.fixture(scope="module")
def owner(site: FastAPI) -> Iterator[Database]:
    """The database, opened with the role that owns the tables. No policy applies to this role."""
    with open_as_owner(site) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser(site: FastAPI) -> Iterator[Browser]:
    with logged_in_browsers(site, [USER_NAME]) as found:
        # The server closes the connection after an unexpected error, such as a row that a policy refuses.
        found[USER_NAME].client.headers["Connection"] = "close"
        yield found[USER_NAME]


@pytest.fixture(scope="module")
def ids(owner: Database) -> ForeignIds:
    return foreign_ids(owner)


def remove_conditions(monkeypatch: pytest.MonkeyPatch, access: Access) -> None:
    """Let the code treat each user as one who may see everything, so that it adds no condition and refuses nothing.

    PostgreSQL still gets `access`, the real access of the users.
    """
    authenticate = authentication.authenticate

    def authenticate_with_every_right(*arguments: Any) -> Any:
        known = authenticate(*arguments)
        return known and replace(known, user=replace(known.user, scope=EVERYTHING))

    monkeypatch.setattr(authentication, "authenticate", authenticate_with_every_right)
    monkeypatch.setattr(RequestContext, "access", access)


def shown_text(response: Response) -> str:
    """Return the headers and the text of a response. For an XLSX file, return the text of the files in it."""
    if "spreadsheet" not in response.headers.get("content-type", ""):
        return f"{response.headers} {response.text}"
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        return " ".join(archive.read(name).decode() for name in archive.namelist())


def probes_with_exports(ids: ForeignIds) -> Mapping[str, list[dict[str, Any]]]:
    found = probes(ids)
    files = [{"form": "xlsx"}, {"form": "xlsx", "group_by": "clinic"}, {"form": "csv", "patient": FOREIGN_PATIENT}]
    return found | {"GET /payment-log/export": [*found["GET /payment-log/export"], *files]}


def secrets_by_endpoint(browser: Browser, ids: ForeignIds, *, only_reading: bool = False) -> dict[str, set[str]]:
    """Send all requests (if `only_reading`, only GET). Return, by endpoint, the other company's data in responses."""
    found: dict[str, set[str]] = {}
    for endpoint, each in probes_with_exports(ids).items():
        if only_reading and not endpoint.startswith("GET"):
            continue
        for fields in each:
            # The audit history shows what the company's own users have asked for.
            asked = TEXTS_IN_REQUESTS if endpoint.startswith("GET /audit") else set()
            response = shown_text(send_request(browser, endpoint, fields, ids))
            found.setdefault(endpoint, set()).update(seen_secrets(response, fields) - asked)
    return found


def test_no_endpoint_shows_or_changes_another_company_without_the_conditions_of_the_code(
    monkeypatch: pytest.MonkeyPatch, browser: Browser, owner: Database, ids: ForeignIds
) -> None:
    remove_conditions(monkeypatch, Access(frozenset({OWN})))
    before = stored_rows(owner)

    found = secrets_by_endpoint(browser, ids)

    assert {endpoint: seen for endpoint, seen in found.items() if seen} == {}
    assert stored_rows(owner) == before


def test_same_requests_show_the_other_company_if_postgresql_does_not_limit_them(
    monkeypatch: pytest.MonkeyPatch, browser: Browser, ids: ForeignIds
) -> None:
    remove_conditions(monkeypatch, ALL_COMPANIES)

    found = secrets_by_endpoint(browser, ids, only_reading=True)

    assert {endpoint for endpoint, seen in found.items() if not seen} == REQUESTS_WITHOUT_PAYMENT_DATA
    assert set().union(*found.values()) == set(FOREIGN_TEXTS)


def test_figures_without_conditions_count_the_own_company_only(site: FastAPI, owner: Database) -> None:
    day, now, own = date(2026, 6, 5), datetime.now(UTC), Scope.of_companies(OWN)
    isolated = with_access(site.state.console.database, Access(frozenset({OWN})))
    with transaction(isolated) as tx:
        found = dashboard.overview(tx, day, EVERYTHING, now)
        found_sums = reporting.claims_feed_sums(tx, FeedFilter())
    with transaction(owner) as tx:
        expected = dashboard.overview(tx, day, own, now)
        expected_sums = reporting.claims_feed_sums(tx, FeedFilter(scope=own))
        assert dashboard.overview(tx, day, EVERYTHING, now) != expected

    assert found == expected
    assert found_sums == expected_sums != []


def test_transaction_without_stated_companies_sees_nothing(site: FastAPI) -> None:
    database = site.state.console.database
    for isolated in (database, with_access(database, NO_ACCESS)):
        with transaction(isolated) as tx:
            assert list(reporting.claims_feed(tx, FeedFilter())) == []
            assert authentication.list_users(tx) == []


def test_suggested_actions_of_the_audit_history_are_those_of_the_own_company(
    site: FastAPI, browser: Browser, owner: Database
) -> None:
    with transaction(owner) as tx:
        authentication.record_audit(tx, AuditEntry(datetime.now(UTC), f"user:{FOREIGN_USER}", "did something foreign"))
    found = {}
    for access in (ALL_COMPANIES, Access(frozenset({OWN})), NO_ACCESS):
        with transaction(with_access(site.state.console.database, access)) as tx:
            found[access] = authentication.audited_actions(tx)

    own = found[Access(frozenset({OWN}))]
    assert "logged in" in own
    assert "did something foreign" not in own
    assert {"logged in", "did something foreign"} <= {*found[ALL_COMPANIES]}
    assert found[NO_ACCESS] == []


def test_running_console_refuses_a_database_that_no_longer_isolates_companies(
    site: FastAPI, browser: Browser, owner: Database
) -> None:
    def change(statement: str) -> None:
        with transaction(owner) as tx:
            tx.execute(text(f"ALTER TABLE patients {statement} ROW LEVEL SECURITY"))
        site.state.console.database.dispose()  # as after a restart of PostgreSQL: the console connects again

    change("DISABLE")
    health, page, alive = (browser.get(path) for path in ("/health", "/claims-feed", "/alive"))
    change("ENABLE")

    assert (health.status_code, page.status_code) == (503, 503)
    # A restart would change nothing.
    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert health.json()["status"] == "database cannot be used; the console's log says why"
    assert browser.get("/health").status_code == browser.get("/claims-feed").status_code == 200
