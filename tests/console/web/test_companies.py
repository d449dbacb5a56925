"""A user of one company sees and changes nothing of another company by any page, form or API call, in any role."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime

import pytest
from fastapi import FastAPI
from httpx import Response

from config.engines import Engines
from console.web.context import RequestContext
from payments.access import authentication
from payments.access.authentication import AuditEntry, NewPassword
from payments.access.rights import Role, User
from payments.core.scope import EVERYTHING, Scope
from payments.journeys import dashboard
from payments.store.db.connection import Database, transaction
from payments.store.db.isolation import ALL_COMPANIES
from tests.console.web.conftest import CHEAP, PASSWORD, Browser, open_as_owner
from tests.console.web.probes import probes
from tests.console.web.test_rights import ENDPOINTS
from tests.console.web.two_companies import (
    ADMIN_OF_ALL,
    EARLIER_USER,
    FOREIGN,
    FOREIGN_CLINIC,
    FOREIGN_TEXTS,
    FOREIGN_USER,
    OWN,
    OWN_CLINIC,
    REQUESTS_WITHOUT_PAYMENT_DATA,
    TEXTS_IN_REQUESTS,
    ForeignIds,
)
from tests.console.web.two_companies_console import (
    console_users,
    foreign_ids,
    logged_in_browsers,
    seen_secrets,
    send_request,
    stored_rows,
    two_companies_console,
)
from tests.engines import scratch_database


@pytest.fixture(scope="module")
def companies_site(
    postgres_url: str, ledger_template: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FastAPI]:
    """A console with the data of two companies. One of them has a user of each role."""
    home = tmp_path_factory.mktemp("companies")
    with (
        scratch_database(postgres_url, ledger_template) as url,
        two_companies_console(Engines.from_urls(url, redis_url), home) as app,
    ):
        yield app


@pytest.fixture(scope="module")
def database(companies_site: FastAPI) -> Iterator[Database]:
    with open_as_owner(companies_site) as opened:
        yield opened


@pytest.fixture(scope="module")
def browsers(companies_site: FastAPI) -> Iterator[Mapping[str, Browser]]:
    """A logged-in browser of each user, by name."""
    with logged_in_browsers(companies_site, [user.name for user in console_users()]) as found:
        yield found


@pytest.fixture(scope="module")
def ids(database: Database) -> ForeignIds:
    return foreign_ids(database)


def test_every_endpoint_is_probed(ids: ForeignIds) -> None:
    endpoints = {f"{each.method} {each.path}" for each in ENDPOINTS if each.rights and each.path != "/logout"}

    assert {*probes(ids)} == endpoints


def shown_text(response: Response) -> str:
    """Return what a response shows: the address to which it redirects, and its text."""
    return f"{response.headers.get('location', '')} {response.text}"


def check_all_probes(browser: Browser, database: Database, ids: ForeignIds) -> None:
    before, leaks = stored_rows(database), {}
    for endpoint, requests in probes(ids).items():
        for fields in requests:
            response = send_request(browser, endpoint, fields, ids)
            assert response.status_code < 500, (endpoint, fields, response.text)
            # The audit history shows what the company's own users have asked for.
            asked = TEXTS_IN_REQUESTS if endpoint.startswith("GET /audit") else set()
            if seen := seen_secrets(shown_text(response), fields) - asked:
                leaks[f"{endpoint} {fields}"] = seen

    assert leaks == {}
    after = stored_rows(database)
    assert {name for name, rows in after.items() if rows != before[name]} == set()


@pytest.mark.slow
@pytest.mark.parametrize("role", Role)
def test_user_of_a_company_sees_and_changes_nothing_of_another(
    role: Role, browsers: Mapping[str, Browser], database: Database, ids: ForeignIds
) -> None:
    check_all_probes(browsers[f"{role}-of-alpha"], database, ids)


@pytest.mark.slow
@pytest.mark.parametrize("role", Role)
def test_conditions_of_the_code_isolate_companies_without_row_level_security(
    role: Role, monkeypatch: pytest.MonkeyPatch, browsers: Mapping[str, Browser], database: Database, ids: ForeignIds
) -> None:
    monkeypatch.setattr(RequestContext, "access", ALL_COMPANIES)  # PostgreSQL shows the rows of all companies

    check_all_probes(browsers[f"{role}-of-alpha"], database, ids)


@pytest.mark.slow
def test_probes_show_the_other_company_to_an_administrator_of_all_companies(
    browsers: Mapping[str, Browser], ids: ForeignIds
) -> None:
    seen: set[str] = set()
    blind = []
    for endpoint, requests in probes(ids).items():
        if endpoint.startswith("GET"):
            found = [
                seen_secrets(shown_text(send_request(browsers[ADMIN_OF_ALL], endpoint, fields, ids)), fields)
                for fields in requests
            ]
            seen |= {each for secrets in found for each in secrets}
            blind += [] if any(found) else [endpoint]

    assert seen == {*FOREIGN_TEXTS}
    assert {*blind} == REQUESTS_WITHOUT_PAYMENT_DATA


def test_user_of_a_company_sees_its_own_data(browsers: Mapping[str, Browser]) -> None:
    own = browsers["billing-of-alpha"]

    assert [row["payment"] for row in own.get("/api/claims-feed").json()["rows"]] == [f"{OWN_CLINIC}/own/1"]
    assert own.get("/api/payment-log").json()["rows"][0]["amount"] == "25.00"
    assert own.get("/timeline", payment=f"{OWN_CLINIC}/own/1").status_code == 200
    assert own.get("/api/months", company=OWN).status_code == 200


def test_counts_of_the_overview_and_of_requeues_are_those_of_the_own_company(
    browsers: Mapping[str, Browser], database: Database, ids: ForeignIds
) -> None:
    now = datetime.now(UTC)
    with transaction(database) as tx:
        own = dashboard.overview(tx, date(2026, 6, 5), Scope.of_companies(OWN), now)
        all_companies = dashboard.overview(tx, date(2026, 6, 5), EVERYTHING, now)
    refused = {"status": "Validation Failed"}
    asked = {"clinic": FOREIGN_CLINIC, "charge_type": "Copay", "date": "2026-05-05"}

    assert sum(each.count for each in all_companies.exceptions) > sum(each.count for each in own.exceptions) == 0
    assert sum(each.count for each in all_companies.unposted) > sum(each.count for each in own.unposted) == 0
    assert sum(all_companies.feed.values()) > sum(own.feed.values()) == 1
    assert sum(each.saved for each in all_companies.flow) > sum(each.saved for each in own.flow) == 1
    assert browsers[ADMIN_OF_ALL].get("/api/requeue-preview", **refused).json()["count"] == 4
    assert browsers["support-of-alpha"].get("/api/requeue-preview", **refused).json()["count"] == 0
    assert browsers["support-of-alpha"].get("/api/would-flow", **asked).status_code == 404
    for run_id in ids.runs:
        assert browsers["support-of-alpha"].get(f"/api/requeue-runs/{run_id}").status_code == 404


def test_administrator_of_a_company_sees_audit_entries_of_its_users_only(
    browsers: Mapping[str, Browser], database: Database
) -> None:
    page = browsers["admin-of-alpha"].get("/audit?show=all").text
    assert "admin-of-alpha" in page
    assert FOREIGN_USER not in page
    assert EARLIER_USER not in page
    assert ADMIN_OF_ALL not in page

    name, now = "moved", datetime.now(UTC)
    with transaction(database) as tx:
        authentication.add_user(tx, User(name, Role.BILLING), NewPassword(PASSWORD, CHEAP), now, "tests")
        authentication.record_audit(tx, AuditEntry(now, f"user:{name}", "viewed account", "of-another-company"))
        authentication.change_user(tx, User(name, Role.BILLING, Scope.of_companies(OWN)), datetime.now(UTC), "tests")
        authentication.record_audit(
            tx, AuditEntry(datetime.now(UTC), f"user:{name}", "viewed account", "of-the-own-company")
        )
    page = browsers["admin-of-alpha"].get("/audit?show=all").text
    assert "of-another-company" not in page
    assert "of-the-own-company" in page


def test_dead_letter_with_another_companys_clinic_is_shown_to_its_own_company_only(
    browsers: Mapping[str, Browser],
) -> None:
    def refused_payments(user_name: str) -> list[str | None]:
        rows = browsers[user_name].get("/api/claims-feed", status="Validation Failed").json()["rows"]
        return sorted(str(row["payment"]) for row in rows)

    assert refused_payments(FOREIGN_USER) == [f"{FOREIGN_CLINIC}/beta-refused/1", f"{OWN_CLINIC}/beta-a/1"]
    assert len(refused_payments(ADMIN_OF_ALL)) == 4
    assert refused_payments("billing-of-alpha") == []


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/api/claims-feed", "/api/exceptions", "/api/payment-log", "/api/balancing"])
def test_report_of_another_company_is_refused(browsers: Mapping[str, Browser], path: str) -> None:
    for company in (FOREIGN, "unknown"):
        refused = browsers["billing-of-alpha"].get(path, company=company)
        assert (refused.status_code, refused.json()["error"]) == (
            403,
            f"Your account does not include company {company}.",
        )
    assert browsers["billing-of-alpha"].get(path, company=OWN).status_code == 200
    assert browsers[ADMIN_OF_ALL].get(path, company=FOREIGN).status_code == 200


@pytest.mark.slow
def test_requeue_run_of_another_company_is_refused(browsers: Mapping[str, Browser], database: Database) -> None:
    before = stored_rows(database)["requeue_runs"]
    chosen = {"status": "Validation Failed", "company": FOREIGN}

    preview = browsers["billing-of-alpha"].get("/api/requeue-preview", **chosen)
    started = browsers["billing-of-alpha"].call("/api/requeue-runs", chosen | {"count": 0})

    assert (preview.status_code, started.status_code) == (403, 403)
    assert stored_rows(database)["requeue_runs"] == before


def test_only_an_administrator_of_all_companies_manages_a_user_without_a_company(
    browsers: Mapping[str, Browser],
) -> None:
    assert EARLIER_USER in browsers[ADMIN_OF_ALL].get("/users").text
    assert EARLIER_USER not in browsers["admin-of-alpha"].get("/users").text
    refused = browsers["admin-of-alpha"].post(
        "/users/change", name=EARLIER_USER, role="billing", company=[OWN], all_clinics="on"
    )
    assert f"there is no user {EARLIER_USER}" in refused.text.lower()


def test_import_delay_of_the_installation_is_shown_to_users_of_all_companies_only(
    browsers: Mapping[str, Browser],
) -> None:
    assert "Longest wait for import" in browsers[ADMIN_OF_ALL].get("/").text
    for role in Role:
        assert "wait for import" not in browsers[f"{role}-of-alpha"].get("/").text
