"""The pages of users: explicit choices of companies and clinics, and the limits of a company's administrator."""

import re
from uuid import uuid4

import pytest
from fastapi import FastAPI

from payments.access import authentication
from payments.access.authentication import NewPassword
from payments.access.rights import Role, User
from payments.core.scope import Scope
from payments.store.db.connection import transaction
from payments.store.db.isolation import ALL_COMPANIES
from tests.builders.committed import ClinicLedger
from tests.console.web.conftest import CHEAP, PASSWORD, Browser, client_at, send_login
from tests.console.web.scenarios import LoggedIn, page_text

EVERYTHING_FIELDS = {"all_companies": "on", "all_clinics": "on"}
NORTH_SCOPE = Scope.of_clinic("company", "north")


@pytest.fixture
def companys_admin(ledger: ClinicLedger, address: str):
    """The browser of an administrator of one company. Another company exists."""
    ledger.set_clinic("elsewhere", company_id="second")
    name = f"admin-{uuid4().hex[:8]}"
    with transaction(ledger.database) as tx:
        admin = User(name, Role.ADMIN, Scope.of_companies("company"))
        authentication.add_user(tx, admin, NewPassword(PASSWORD, CHEAP), ledger.now(), "tests")
    with client_at(address) as client:
        assert send_login(client, name, PASSWORD).status_code == 303
        yield Browser(client, name)


def found_user(site: FastAPI, name: str) -> User | None:
    with site.state.console.transaction(ALL_COMPANIES) as tx:
        return next((row.user for row in authentication.list_users(tx) if row.user.name == name), None)


def submit_new_user(browser: Browser, **fields: object):
    name = f"u-{uuid4().hex[:8]}"
    return name, browser.post("/users", **{"name": name, "role": "billing", "password": PASSWORD} | fields)


@pytest.mark.parametrize(
    ("fields", "status", "sentence"),
    [
        ({}, 422, "No companies are selected;"),
        ({"all_companies": "on"}, 422, "No clinics are selected;"),
        ({**EVERYTHING_FIELDS, "clinic": "north"}, 422, "All clinics and single clinics are both selected;"),
        ({**EVERYTHING_FIELDS, "company": "company"}, 422, "All companies and single companies are both selected;"),
        ({"company": "acmee", "all_clinics": "on"}, 422, "There is no company acmee."),
        ({"company": "company", "clinic": ["north", "nroth"]}, 422, "There is no clinic nroth in company."),
        ({"all_companies": "on", "clinic": "north"}, 422, "A user of all companies sees every clinic"),
        ({"company": "company", "clinic": "north", "role": "admin"}, 422, "An admin sees every clinic"),
    ],
)
def test_missing_or_unknown_choice_of_companies_or_clinics_is_refused(
    logged_in: LoggedIn, site: FastAPI, fields: dict[str, object], status: int, sentence: str
) -> None:
    name, answer = submit_new_user(logged_in("admin"), **fields)

    assert (answer.status_code, sentence in answer.text) == (status, True), answer.text
    assert found_user(site, name) is None


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"company": "company", "clinic": ["north", "nroth"]}, "clinic", "There is no clinic nroth in company."),
        ({"company": "company"}, "clinic", "No clinics are selected;"),
        (EVERYTHING_FIELDS | {"name": "Billing"}, "name", "User billing already exists."),
        (EVERYTHING_FIELDS | {"name": "a b"}, "name", "A name is 1 to 64 letters"),
        (EVERYTHING_FIELDS | {"password": "passwordpassword"}, "password", "The password is easy to guess."),
    ],
)
def test_refused_entry_has_its_message_at_the_field_and_stays(
    logged_in: LoggedIn, fields: dict[str, object], field: str, sentence: str
) -> None:
    name, answer = submit_new_user(logged_in("admin"), **{"role": "support"} | fields)

    assert answer.status_code == 422
    assert re.search(rf'aria-describedby="wrong-{field}"', answer.text)
    assert f'id="wrong-{field}">{sentence}' in answer.text
    assert f'name="name" value="{fields.get("name", name)}"' in answer.text
    assert re.search(r'name="role" value="support"[^>]* checked', answer.text)
    assert ('value="company" checked' in answer.text) == ("company" in fields)
    assert ('name="clinic" value="north" checked' in answer.text) == ("clinic" in fields)
    assert PASSWORD not in answer.text


@pytest.mark.parametrize("name", ["admin", "Admin"])
def test_administrator_cannot_change_the_own_role_with_any_spelling_of_the_name(logged_in: LoggedIn, name: str) -> None:
    answer = logged_in("admin").post("/users/change", name=name, role="billing", **EVERYTHING_FIELDS)

    assert (answer.status_code, "You cannot change your own role" in answer.text) == (409, True)


def test_user_change_without_clinics_is_refused_instead_of_giving_all_clinics(
    logged_in: LoggedIn, site: FastAPI
) -> None:
    admin = logged_in("admin")
    name, _ = submit_new_user(admin, company="company", clinic="north")

    answer = admin.post("/users/change", name=name, role="billing", company="company")

    assert (answer.status_code, "No clinics are selected;" in answer.text) == (422, True)
    assert found_user(site, name) == User(name, Role.BILLING, NORTH_SCOPE)


def test_administrator_of_a_company_manages_its_users(companys_admin: Browser, site: FastAPI) -> None:
    name, added = submit_new_user(companys_admin, company="company", clinic="north")
    assert added.status_code == 303
    assert found_user(site, name) == User(name, Role.BILLING, NORTH_SCOPE)

    changed = companys_admin.post("/users/change", name=name, role="support", company="company", all_clinics="on")
    assert changed.status_code == 303
    assert found_user(site, name) == User(name, Role.SUPPORT, Scope.of_companies("company"))
    for action in ("disable", "enable"):
        assert companys_admin.post(f"/users/{action}", name=name).status_code == 303


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (EVERYTHING_FIELDS, "Your account does not include all companies"),
        ({"company": "second", "all_clinics": "on"}, "Your account does not include company second."),
        ({"company": ["company", "second"], "all_clinics": "on"}, "Your account does not include company second."),
        ({"company": "unknown", "all_clinics": "on"}, "Your account does not include company unknown."),
        ({"company": "company", "clinic": "elsewhere"}, "There is no clinic elsewhere in company."),
    ],
)
def test_administrator_of_a_company_grants_nothing_beyond_it(
    companys_admin: Browser, site: FastAPI, fields: dict[str, object], sentence: str
) -> None:
    name, answer = submit_new_user(companys_admin, **fields)

    assert (answer.status_code, sentence in answer.text) == (422, True), answer.text
    assert found_user(site, name) is None


def test_user_who_also_belongs_to_another_company_does_not_exist_for_a_companys_administrator(
    companys_admin: Browser, logged_in: LoggedIn, site: FastAPI
) -> None:
    name, added = submit_new_user(logged_in("admin"), company=["company", "second"], all_clinics="on")
    assert added.status_code == 303
    before = found_user(site, name)

    assert name not in companys_admin.get("/users").text
    assert companys_admin.get("/user", name=name).status_code == 404
    narrowed = {"role": "billing", "company": "company", "all_clinics": "on"}
    for action, fields in (("change", narrowed), ("disable", {}), ("enable", {}), ("password", {"password": PASSWORD})):
        answer = companys_admin.post(f"/users/{action}", name=name, **fields)
        assert (answer.status_code, f"There is no user {name}." in page_text(answer)) == (409, True), action
    assert found_user(site, name) == before
