"""Each page and API call requires its right, and each role has exactly its rights."""

import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from httpx import Client
from starlette.routing import Mount

from console.web import pages
from console.web.app import PAGES
from console.web.auth import RequireRight
from payments.access.rights import RIGHTS_BY_ROLE, Right, Role
from tests.console.web.conftest import METRICS_TOKEN, Browser

pytestmark = pytest.mark.slow

PUBLIC = {("GET", path) for path in ("/login", "/health", "/alive", "/metrics")} | {("POST", "/login")}

# The expected right of each page and call, repeated here so that a change is noticed.
REQUIRED = {
    Right.VIEW: """
        GET /claims-feed/summary | GET /exceptions/summary | GET /payment-log/summary | GET /deposit-slip
        GET /claims-feed/newer | GET /exceptions/newer | GET /payment-log/newer
        GET /views | GET /views/{view_id} | POST /views | POST /views/delete
        GET / | GET /claims-feed | GET /exceptions | GET /account | GET /payment-log | GET /balancing | GET /months
        GET /clinics | GET /clinic | GET /timeline | GET /help | POST /logout
        POST /balancing/emr-logs | GET /balancing/emr-logs/{log_id} | POST /balancing/emr-logs/{log_id}/delete
        POST /api/balancing | GET /api/balancing/lines | GET /today | GET /will-it-flow | GET /patient
        GET /api/today | GET /api/patient
        GET /search | GET /api/search
        GET /own-account | POST /own-account/password | POST /own-account/sessions/end
        GET /api/openapi.json | GET /api/would-flow | GET /api/claims-feed | GET /api/exceptions | GET /api/payment-log
        GET /api/account | GET /api/not-in-billing | GET /api/balancing | GET /api/months
        GET /trends | GET /api/trends | GET /api/timeline
        GET /api/exceptions/{exception_id} | POST /api/exceptions/{exception_id}/note
        GET /api/notes | POST /api/notes | POST /notes
        GET /exceptions/{exception_id} | POST /exceptions/{exception_id}/note
        GET /api/entries | GET /api/entries/{entry_id} | GET /entries/{entry_id}
        GET /drawers/{drawer_id}/pdf | GET /deposits/{deposit_id}/pdf
        GET /deposits | GET /deposits/{deposit_id} | GET /api/deposits | GET /api/deposits/{deposit_id}
        GET /api/undeposited
        GET /drawers | GET /drawers/{drawer_id} | GET /api/drawers | GET /api/drawers/{drawer_id}
        GET /api/refunds | GET /api/refunds/{refund_id} | GET /refunds | GET /refunds/{refund_id}
        GET /api/transfers | GET /api/transfers/{transfer_id} | GET /transfers | GET /transfers/{transfer_id}
    """,
    Right.COUNT_DRAWERS: """
        POST /drawers | POST /drawers/{drawer_id}/count | POST /api/drawers | POST /api/drawers/{drawer_id}/count
    """,
    Right.MAKE_DEPOSITS: """
        GET /deposits/new | POST /deposits | POST /deposits/{deposit_id}/reverse
        POST /api/deposits | POST /api/deposits/{deposit_id}/reverse
    """,
    Right.CLOSE_DRAWERS: "POST /drawers/{drawer_id}/close | POST /api/drawers/{drawer_id}/close",
    Right.POST_ENTRIES: """
        POST /api/entries | POST /api/entries/{entry_id}/reverse
        POST /api/entries/{entry_id}/link | POST /api/entries/{entry_id}/unlink
        GET /entries/new | POST /entries | POST /entries/{entry_id}/reverse
        POST /entries/{entry_id}/link | POST /entries/{entry_id}/unlink
        POST /api/refunds | POST /api/refunds/{refund_id}/issue | POST /api/refunds/{refund_id}/void
        GET /refunds/new | POST /refunds | POST /refunds/{refund_id}/issue | POST /refunds/{refund_id}/void
        POST /api/transfers | POST /api/transfers/{transfer_id}/undo
        GET /transfers/new | POST /transfers | POST /transfers/{transfer_id}/undo
    """,
    Right.APPROVE_REFUNDS: """
        POST /api/refunds/{refund_id}/approve | POST /refunds/{refund_id}/approve
    """,
    Right.REQUEUE: """
        POST /claims-feed/selected | GET /refused-events/{event_id} | GET /refused-events/{event_id}/file
        GET /api/refused-events/{event_id}
        POST /claims-feed/requeue | GET /requeue-runs/new | POST /requeue-runs | GET /requeue-runs/{run_id}
        POST /requeue-runs/{run_id}/stop | POST /requeue-runs/{run_id}/resume | POST /api/requeue
        GET /api/requeue-preview | POST /api/requeue-runs | GET /api/requeue-runs/{run_id}
        GET /requeue-runs | GET /api/requeue-runs | POST /api/requeue-runs/{run_id}/stop
    """,
    Right.OPERATE: "GET /operations | GET /api/operations | GET /import-tasks/{task_id}",
    Right.EDIT: """
        POST /exceptions/{exception_id}/accept | POST /exceptions/{exception_id}/acknowledge
        POST /exceptions/{exception_id}/undo | POST /exceptions/{exception_id}/assign | POST /exceptions/next
        POST /exceptions/selected | POST /exceptions/matching | POST /exceptions/decide
        POST /months/schedule | POST /months/cancel | POST /months/close
        POST /api/exceptions/{exception_id}/accept | POST /api/exceptions/{exception_id}/acknowledge
        POST /api/exceptions/{exception_id}/undo | POST /api/exceptions/{exception_id}/assign
        POST /api/exceptions/next
    """,
    Right.CONFIGURE: "POST /clinic | POST /clinic/copy | GET /company | POST /company",
    Right.EXPORT: "GET /payment-log/export | GET /claims-feed/export | GET /exceptions/export | GET /balancing/export"
    " | GET /clinics/export | GET /months/export | GET /timeline/export | GET /requeue-runs/new/export"
    " | GET /trends/export | GET /not-in-billing/export",
    Right.ADMINISTER: "GET /users | GET /user | POST /users | POST /users/change | POST /users/disable"
    " | POST /users/enable | POST /users/password | GET /audit | GET /audit/export | GET /audit/summary"
    " | GET /new-ids | GET /new-ids/export | GET /users/export"
    " | POST /new-ids/confirm | POST /new-ids/retire",
}


class Endpoint(NamedTuple):
    """A page or API call, and the rights that it requires."""

    method: str
    path: str
    rights: tuple[Right, ...]


def _required_rights(dependant: Dependant) -> Iterator[Right]:
    for each in dependant.dependencies:
        if isinstance(each.call, RequireRight):
            yield each.call.right
        yield from _required_rights(each)


def _endpoints() -> list[Endpoint]:
    routes = [route for page in PAGES for route in page.router.routes]
    assert all(isinstance(route, APIRoute) for route in routes)
    return [
        Endpoint(method, route.path_format, tuple(_required_rights(route.dependant)))
        for route in routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
    ]


def _modules_with_pages() -> set[ModuleType]:
    modules = (import_module(f"{pages.__name__}.{each.name}") for each in iter_modules(pages.__path__))
    return {module for module in modules if hasattr(module, "router")}


ENDPOINTS = _endpoints()


def test_every_page_requires_its_right() -> None:
    documented = {
        tuple(line.split()): right
        for right, listed in REQUIRED.items()
        for line in listed.replace("\n", "|").split("|")
    }
    documented.pop((), None)

    assert _modules_with_pages() == set(PAGES)
    assert {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS if not endpoint.rights} == PUBLIC
    assert {
        (endpoint.method, endpoint.path): endpoint.rights[0] for endpoint in ENDPOINTS if endpoint.rights
    } == documented


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    "endpoint",
    [endpoint for endpoint in ENDPOINTS if endpoint.rights and endpoint.path != "/logout"],
    ids=lambda endpoint: f"{endpoint[0]} {endpoint[1]}",
)
def test_every_role_has_exactly_its_rights(endpoint: Endpoint, role: Role, logged_in: Callable[[str], Browser]) -> None:
    answer = _request(logged_in(role.value), endpoint)

    is_refused = answer.status_code == 403 and "does not include the right" in answer.text
    assert is_refused == (endpoint.rights[0] not in RIGHTS_BY_ROLE[role]), answer.text
    assert answer.status_code < 500


@pytest.mark.parametrize(
    "endpoint",
    [endpoint for endpoint in ENDPOINTS if endpoint.rights],
    ids=lambda endpoint: f"{endpoint[0]} {endpoint[1]}",
)
def test_request_without_login_is_redirected_or_refused(endpoint: Endpoint, anonymous_client: Client) -> None:
    answer = anonymous_client.request(endpoint.method, re.sub(r"\{\w+\}", "1", endpoint.path))

    if endpoint.path.startswith("/api/"):
        assert answer.status_code == 401
        assert "users token" in answer.json()["next"]
    else:
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login")


def test_no_routes_exist_besides_pages_and_static_files(site: FastAPI) -> None:
    others = [route for route in site.routes if isinstance(route, Mount)]
    pages = {path for endpoint in ENDPOINTS for path in [endpoint.path]}

    assert [route.path for route in others] == ["/static"]
    assert {route.path_format for route in site.routes if isinstance(route, APIRoute)} <= pages


def test_health_is_public_and_metrics_require_their_token(anonymous_client: Client) -> None:
    assert anonymous_client.get("/health").json() == {"status": "ok"}
    assert anonymous_client.get("/metrics").status_code == 401
    assert anonymous_client.get("/metrics", headers={"authorization": "Bearer wrong"}).status_code == 401
    shown = {"authorization": f"Bearer {METRICS_TOKEN}"}
    assert "payments_feed_length" in anonymous_client.get("/metrics", headers=shown).text
    assert anonymous_client.get("/api/docs").status_code == 404
    assert anonymous_client.get("/openapi.json").status_code == 404


def _request(browser: Browser, endpoint: Endpoint) -> Any:
    path = re.sub(r"\{\w+\}", "999999999", endpoint.path)
    if endpoint.method == "GET":
        return browser.get(path)
    if path.startswith("/api/"):
        return browser.call(path, {"payments": ["a/b/c"], "version": 1, "reason": "none"})
    return browser.post(path)
