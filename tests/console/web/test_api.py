"""The API requires the export right for many rows, describes itself by OpenAPI, and states its allowed methods."""

from datetime import UTC, datetime

import pytest
from fastapi import FastAPI
from httpx import Client

from payments.access import authentication
from payments.access.rights import Right, Role
from payments.store.db.isolation import ALL_COMPANIES
from tests.console.web.scenarios import LoggedIn, audit_rows

REPORTS = {"claims-feed": "Claims Feed", "exceptions": "Billing Exceptions", "payment-log": "Patient Payment Log"}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("report", REPORTS)
def test_api_call_for_many_rows_needs_the_export_right_and_is_audited(
    logged_in: LoggedIn, site: FastAPI, role: Role, report: str
) -> None:
    program, action = logged_in(role.value), f"exported {REPORTS[report]}"
    before = len(audit_rows(site, action))

    assert program.get(f"/api/{report}", limit=100).status_code == 200
    answer = program.get(f"/api/{report}", limit=101)

    may_export = role in {Role.BILLING, Role.ADMIN}
    assert answer.status_code == (200 if may_export else 403), answer.text
    assert len(audit_rows(site, action)) - before == int(may_export)
    if not may_export:
        assert f"does not include the right to {Right.EXPORT.phrase}" in answer.json()["error"]
        assert answer.json()["next"] == "Ask for at most 100 rows at a time."


def test_openapi_describes_the_token_and_every_response(site: FastAPI, anonymous_client: Client) -> None:
    with site.state.console.transaction(ALL_COMPANIES) as tx:
        token = authentication.create_token(tx, "front-office", datetime.now(UTC), "tests")
    described = anonymous_client.get("/api/openapi.json", headers={"authorization": f"Bearer {token}"}).json()

    assert described["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    assert len(described["paths"]) >= 11
    for path, calls in described["paths"].items():
        for call in calls.values():
            assert call["description"], path
            assert {"200", "401", "403", "404", "409", "422", "503"} <= set(call["responses"]), path


def test_unsupported_method_is_refused_with_the_allowed_methods(logged_in: LoggedIn) -> None:
    answer = logged_in("billing").client.delete("/api/claims-feed")

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"
