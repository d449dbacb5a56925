"""Requests for lists and saved views of another company."""

from datetime import UTC, datetime
from typing import Any

from payments.access import saved_views
from payments.access.rights import Role, User
from payments.access.saved_views import NewView
from payments.core.scope import Scope
from payments.store.db.connection import Database, transaction

RequestFields = list[dict[str, Any]]
_VIEW_IDS = (1, 2)


def probes_of_list(name: str, requests: RequestFields) -> dict[str, RequestFields]:
    """Return `requests` for each endpoint of the list `name`: page, export, sum, new rows, and API call."""
    paths = (name, f"{name}/export", f"{name}/summary", f"{name}/newer", f"api/{name}")
    return dict.fromkeys((f"GET /{path}" for path in paths), requests)


def export_probes(own: str, foreign: str, keys: list[str]) -> dict[str, RequestFields]:
    """Return requests for the exports of lists that are read as a whole, not page by page."""
    refused = {"status": "Validation Failed"}
    return {
        "GET /clinics/export": [{}, {"find": "beta"}],
        "GET /months/export": [{}, {"company": foreign}, {"company": own}],
        "GET /timeline/export": [{"payment": key} for key in keys],
        "GET /requeue-runs/new/export": [refused, refused | {"company": foreign}],
        "GET /trends/export": [{}, {"group_by": "clinic", "since": "2026-01-01"}, {"company": foreign}],
        "GET /not-in-billing/export": [{}, {"company": foreign}, {"since": "2026-01-01"}],
        "GET /users/export": [{}],
        "GET /new-ids/export": [{}],
    }


def add_views(database: Database, company: str, owner: str) -> None:
    """Save two views of a user of a company. The user shares one of them with the company."""
    user = User(owner, Role.BILLING, Scope.of_companies(company))
    with transaction(database) as tx:
        for name, is_shared in (("beta-own", False), ("beta-shared", True)):
            view = NewView(company, "/claims-feed", name, "find=beta-patient", is_shared)
            saved_views.save(tx, user, view, datetime.now(UTC))


def view_probes(own: str, foreign: str) -> dict[str, RequestFields]:
    """Return requests for the views of another company, and requests to save a view for it."""
    view = {"list_name": "/claims-feed", "name": "own-view", "query": "status=Not+Sent"}
    return {
        "GET /views": [{}],
        "GET /views/{view_id}": [{"view_id": each} for each in _VIEW_IDS],
        "POST /views": [{**view, "company": foreign, "shared": "on"}, {**view, "company": own}],
        "POST /views/delete": [{"view": each} for each in _VIEW_IDS],
    }
