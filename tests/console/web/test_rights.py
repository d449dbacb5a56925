"""Every page and call asks for a right, and each role is let in or refused by the one table."""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from httpx import Client
from starlette.routing import Mount

from console.web.app import PAGES
from console.web.auth import RequireRight
from console.web.pages import (
    account,
    api,
    audit,
    balancing,
    claims_feed,
    clinics,
    exceptions,
    health,
    login,
    months,
    overview,
    payment_log,
    requeue_runs,
    timeline,
    users,
)
from payments.access.rights import RIGHTS, Right, Role
from tests.console.web.conftest import METRICS_TOKEN, Browser

OPEN = {("GET", "/login"), ("POST", "/login"), ("GET", "/health"), ("GET", "/metrics")}

# What each page asks for, once more, so that a change of one is seen.
ASKED = {
    Right.VIEW: """
        GET / | GET /claims-feed | GET /exceptions | GET /account | GET /payment-log | GET /balancing | GET /months
        GET /clinics | GET /clinic | GET /timeline | POST /logout
        GET /api/openapi.json | GET /api/would-flow | GET /api/claims-feed | GET /api/exceptions | GET /api/payment-log
        GET /api/account | GET /api/balancing | GET /api/months | GET /api/timeline
    """,
    Right.REQUEUE: """
        POST /claims-feed/requeue | GET /requeue-runs/new | POST /requeue-runs | GET /requeue-runs/{run_id}
        POST /requeue-runs/{run_id}/stop | POST /requeue-runs/{run_id}/resume | POST /api/requeue
    """,
    Right.EDIT: """
        POST /exceptions/{exception_id}/accept | POST /exceptions/{exception_id}/acknowledge | POST /exceptions/accept
        POST /months/schedule | POST /months/cancel | POST /months/close
        POST /api/exceptions/{exception_id}/accept | POST /api/exceptions/{exception_id}/acknowledge
    """,
    Right.CONFIGURE: "POST /clinic | POST /clinic/copy",
    Right.EXPORT: "GET /payment-log/export",
    Right.ADMINISTER: "GET /users | POST /users | POST /users/change | POST /users/disable | POST /users/enable"
    " | POST /users/password | GET /audit",
}


class Door(NamedTuple):
    """A page or call, and the rights that it asks for."""

    method: str
    path: str
    rights: tuple[Right, ...]


def _needed(dependant: Dependant) -> Iterator[Right]:
    for each in dependant.dependencies:
        if isinstance(each.call, RequireRight):
            yield each.call.right
        yield from _needed(each)


def _doors() -> list[Door]:
    routes = [route for page in PAGES for route in page.router.routes]
    assert all(isinstance(route, APIRoute) for route in routes)
    return [
        Door(method, route.path, tuple(_needed(route.dependant)))
        for route in routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
    ]


DOORS = _doors()
MODULES = (
    *(account, api, audit, balancing, claims_feed, clinics, exceptions, health, login, months, overview),
    *(payment_log, requeue_runs, timeline, users),
)


def test_every_page_requires_its_right() -> None:
    agreed = {
        tuple(line.split()): right for right, listed in ASKED.items() for line in listed.replace("\n", "|").split("|")
    }
    agreed.pop((), None)

    assert set(MODULES) == set(PAGES)
    assert {(door.method, door.path) for door in DOORS if not door.rights} == OPEN
    assert {(door.method, door.path): door.rights[0] for door in DOORS if door.rights} == agreed


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    "door", [door for door in DOORS if door.rights and door.path != "/logout"], ids=lambda door: f"{door[0]} {door[1]}"
)
def test_every_role_has_exactly_its_rights(door: Door, role: Role, visitor: Callable[[str], Browser]) -> None:
    answer = _knock(visitor(role.value), door)

    is_refused = answer.status_code == 403 and "does not include the right" in answer.text
    assert is_refused == (door.rights[0] not in RIGHTS[role]), answer.text
    assert answer.status_code < 500


@pytest.mark.parametrize("door", [door for door in DOORS if door.rights], ids=lambda door: f"{door[0]} {door[1]}")
def test_request_without_login_is_redirected_or_refused(door: Door, stranger: Client) -> None:
    answer = stranger.request(door.method, re.sub(r"\{\w+\}", "1", door.path))

    if door.path.startswith("/api/"):
        assert answer.status_code == 401
        assert "users token" in answer.json()["next"]
    else:
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login")


def test_no_routes_exist_besides_pages_and_static_files(site: FastAPI) -> None:
    others = [route for route in site.routes if isinstance(route, Mount)]
    pages = {path for door in DOORS for path in [door.path]}

    assert [route.path for route in others] == ["/static"]
    assert {route.path for route in site.routes if isinstance(route, APIRoute)} <= pages


def test_health_is_public_and_metrics_require_their_token(stranger: Client) -> None:
    assert stranger.get("/health").json() == {"status": "ok"}
    assert stranger.get("/metrics").status_code == 401
    assert stranger.get("/metrics", headers={"authorization": "Bearer wrong"}).status_code == 401
    shown = {"authorization": f"Bearer {METRICS_TOKEN}"}
    assert "payments_feed_length" in stranger.get("/metrics", headers=shown).text
    assert stranger.get("/api/docs").status_code == 404
    assert stranger.get("/openapi.json").status_code == 404


def _knock(browser: Browser, door: Door) -> Any:
    path = re.sub(r"\{\w+\}", "999999999", door.path)
    if door.method == "GET":
        return browser.get(path)
    if path.startswith("/api/"):
        return browser.call(path, {"payments": ["a/b/c"], "version": 1, "reason": "none"})
    return browser.post(path)
