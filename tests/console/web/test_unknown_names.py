"""Every page and API call rejects unknown and repeated names in queries, forms and bodies."""

import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute
from httpx import Client

from console.web.app import PAGES
from console.web.strictness import FORM_FIELDS, read_names
from tests.builders.committed import ClinicLedger
from tests.console.web.scenarios import LoggedIn, edit_in_closed_month, exception_of

pytestmark = pytest.mark.slow

# They are open to everybody, and take what a browser sends there.
PUBLIC_PATHS = {"/login", "/logout", "/health", "/alive", "/metrics"}


def _routes(method: str) -> Iterator[APIRoute]:
    for page in PAGES:
        for route in page.router.routes:
            if isinstance(route, APIRoute) and method in route.methods and route.path not in PUBLIC_PATHS:
                yield route


def _ids(route: APIRoute) -> str:
    return route.path


def _path(route: APIRoute) -> str:
    return re.sub(r"\{\w+\}", "1", route.path_format)


GETS, POSTS = sorted(_routes("GET"), key=_ids), sorted(_routes("POST"), key=_ids)
API_ROUTES = [route for route in POSTS if route.path.startswith("/api/") and route.body_field]
FORM_ROUTES = [route for route in POSTS if not route.path.startswith("/api/")]


def test_every_kind_of_route_is_tried() -> None:
    assert len(GETS) > 15
    assert len(FORM_ROUTES) > 10
    assert len(API_ROUTES) >= 3


@pytest.mark.parametrize("name", ["no_such_name", "depositDate", "Since", "since[]", "since ", "", "csrf"])
@pytest.mark.parametrize("route", GETS, ids=_ids)
def test_unknown_query_parameter_is_refused(logged_in: LoggedIn, route: APIRoute, name: str) -> None:
    answer = logged_in("admin").client.get(_path(route), params=[(name, "1")])

    assert answer.status_code == 422
    assert "no such parameter." in answer.text
    assert name in answer.text


@pytest.mark.parametrize(
    ("route", "name"),
    [(route, name) for route in GETS for name in read_names(route.dependant, "query_params")],
    ids=lambda each: each.path if isinstance(each, APIRoute) else each,
)
def test_repeated_query_parameter_is_rejected(logged_in: LoggedIn, route: APIRoute, name: str) -> None:
    client = logged_in("admin").client

    assert "no such parameter" not in client.get(_path(route), params=[(name, "1")]).text
    answer = client.get(_path(route), params=[(name, "1"), (name, "2")])
    assert answer.status_code == 422
    assert f"{name}: given more than once." in answer.text


@pytest.mark.parametrize("route", POSTS, ids=_ids)
def test_query_parameter_of_a_change_is_refused(logged_in: LoggedIn, route: APIRoute) -> None:
    admin = logged_in("admin")

    answer = admin.client.post(f"{_path(route)}?deposit_date=2026-06-20", headers={"x-csrf-token": admin.csrf}, json={})

    assert answer.status_code == 422


@pytest.mark.parametrize("route", FORM_ROUTES, ids=_ids)
def test_unknown_form_field_is_refused(logged_in: LoggedIn, route: APIRoute) -> None:
    answer = logged_in("admin").post(_path(route), depositDate="2026-06-20")

    assert answer.status_code == 422
    assert "depositDate: no such field." in answer.text


@pytest.mark.parametrize(
    ("route", "name"),
    [
        (route, name)
        for route in FORM_ROUTES
        for name, may_repeat in (read_names(route.dependant, "body_params") | dict.fromkeys(FORM_FIELDS, False)).items()
        if not may_repeat
    ],
    ids=lambda each: each.path if isinstance(each, APIRoute) else each,
)
def test_repeated_form_field_is_refused(logged_in: LoggedIn, route: APIRoute, name: str) -> None:
    admin = logged_in("admin")

    answer = admin.client.post(_path(route), data={name: ["1", "1"]}, headers={"x-csrf-token": admin.csrf})

    assert answer.status_code == 422
    assert f"{name}: given more than once." in answer.text


@pytest.mark.parametrize("route", API_ROUTES, ids=_ids)
@pytest.mark.parametrize("name", ["depositDate", "Version", "version ", "", "csrf"])
def test_unknown_key_of_a_body_is_refused(logged_in: LoggedIn, route: APIRoute, name: str) -> None:
    answer = logged_in("admin").call(_path(route), {name: 1})

    assert answer.status_code == 422
    assert answer.json()["error"].endswith(": no such field.")
    assert name in answer.json()["error"]


@pytest.mark.parametrize("route", API_ROUTES, ids=_ids)
def test_repeated_key_of_a_body_is_refused(logged_in: LoggedIn, route: APIRoute) -> None:
    admin = logged_in("admin")
    body = '{"version": 1, "version": 1, "reason": "seen", "payments": ["a/b/c"]}'

    answer = admin.client.post(_path(route), content=body, headers=_json(admin.csrf))

    assert answer.status_code == 422
    assert answer.json()["error"] in {"version: given more than once.", "reason: no such field."}


def _json(csrf: str) -> dict[str, str]:
    return {"x-csrf-token": csrf, "content-type": "application/json"}


@pytest.mark.parametrize(
    ("query", "body", "error"),
    [
        ("", '{"version": 2, "depositDate": "2026-11-16"}', "depositDate: no such field."),
        ("?deposit_date=2026-11-16", '{"version": 2}', "deposit_date: no such parameter."),
        ("?dry_run=true", '{"version": 2}', "dry_run: no such parameter."),
        (
            "",
            '{"version": 2, "deposit_date": "2026-11-16", "deposit_date": null}',
            "deposit_date: given more than once.",
        ),
    ],
)
def test_accept_with_unknown_field_posts_nothing(
    logged_in: LoggedIn, ledger: ClinicLedger, query: str, body: str, error: str
) -> None:
    clinic = f"misspelt-{uuid4().hex[:8]}"
    edit_in_closed_month(ledger, clinic, f"company-of-{clinic}")
    billing = logged_in("billing")
    number = exception_of(billing, clinic)["id"]

    answer = billing.client.post(f"/api/exceptions/{number}/accept{query}", content=body, headers=_json(billing.csrf))

    assert (answer.status_code, answer.json()["error"]) == (422, error)
    assert exception_of(billing, clinic)["id"] == number


def test_unknown_name_is_not_reported_without_login(logged_in: LoggedIn, anonymous_client: Client) -> None:
    assert anonymous_client.get("/api/claims-feed?no_such_name=1").status_code == 401
    assert logged_in("front-office").get("/payment-log/export", no_such_name="1").status_code == 403
