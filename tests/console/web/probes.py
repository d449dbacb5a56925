"""Requests that ask each endpoint of the console for data of the other company."""

from typing import Any

from tests.console.web.balancing_probes import balancing_probes
from tests.console.web.conftest import PASSWORD
from tests.console.web.deposit_probes import deposit_probes
from tests.console.web.drawer_probes import drawer_probes
from tests.console.web.entry_probes import entry_probes
from tests.console.web.exception_probes import exception_probes
from tests.console.web.list_probes import export_probes, probes_of_list, view_probes
from tests.console.web.refund_probes import refund_probes
from tests.console.web.transfer_probes import transfer_probes
from tests.console.web.two_companies import (
    ADMIN_OF_ALL,
    EARLIER_USER,
    FIGURE_QUERIES,
    FOREIGN,
    FOREIGN_CLINIC,
    FOREIGN_KEY,
    FOREIGN_PATIENT,
    FOREIGN_USER,
    MONTH,
    NEW_CLINIC,
    NEW_COMPANY,
    OWN,
    OWN_CLINIC,
    TASK_ID,
    ForeignIds,
)

_RUN_ENDPOINTS = (
    *("GET /requeue-runs/{run_id}", "GET /api/requeue-runs/{run_id}"),
    *("POST /requeue-runs/{run_id}/stop", "POST /requeue-runs/{run_id}/resume"),
    "POST /api/requeue-runs/{run_id}/stop",
)


def probes(ids: ForeignIds) -> dict[str, list[dict[str, Any]]]:
    """Return requests that ask each endpoint for data of the other company, by method and path."""
    keys = [FOREIGN_KEY, f"{OWN_CLINIC}/beta-a/1", *(f"refused:{each}" for each in ids.dead_letters)]
    refused = {"status": "Validation Failed"}
    runs = [refused, refused | {"clinic": FOREIGN_CLINIC}, refused | {"company": FOREIGN}]
    user = [{"name": name} for name in (FOREIGN_USER, EARLIER_USER, ADMIN_OF_ALL)]
    changes = (
        _change_probes(keys, runs[1:], user) | _clinic_change_probes() | exception_probes(ids.exception, keys, FOREIGN)
    )
    changes |= refund_probes(ids.refund, ids.entry, FOREIGN_KEY, (FOREIGN, FOREIGN_CLINIC))
    changes |= transfer_probes(ids.transfer, ids.entry, FOREIGN_KEY, (FOREIGN, FOREIGN_CLINIC))
    changes |= entry_probes(ids.entry, ids.exception, FOREIGN_KEY, (FOREIGN, FOREIGN_CLINIC))
    changes |= drawer_probes(ids.drawer, (FOREIGN, FOREIGN_CLINIC))
    changes |= deposit_probes(ids.deposit, ids.entry, (FOREIGN, FOREIGN_CLINIC))
    own_runs = [{"run_id": each} for each in ids.runs]
    events = [{"event_id": each} for each in ids.dead_letters]
    paths = ("refused-events/{event_id}", "refused-events/{event_id}/file", "api/refused-events/{event_id}")
    changes |= dict.fromkeys((f"GET /{path}" for path in paths), events)
    changes |= view_probes(OWN, FOREIGN) | export_probes(OWN, FOREIGN, keys) | dict.fromkeys(_RUN_ENDPOINTS, own_runs)
    return _report_probes() | _page_probes(keys, runs, user) | changes


def _report_probes() -> dict[str, list[dict[str, Any]]]:
    report = [{}, {"clinic": FOREIGN_CLINIC}, {"company": FOREIGN}, {"company": FOREIGN, "clinic": FOREIGN_CLINIC}]
    of_patient = [*report, {"patient": FOREIGN_PATIENT}]
    named = [{"find": FOREIGN_KEY}, {"find": f"{FOREIGN}:{FOREIGN_KEY}"}]
    account = [{"patient": FOREIGN_PATIENT}, {"patient": FOREIGN_PATIENT, "company": FOREIGN}]
    texts = ("Beatrix", "Beatriks", FOREIGN_PATIENT, FOREIGN_KEY, "beta-open/1", "beta-op", "73.19")
    searches = [{"q": each, **more} for each in texts for more in ({}, {"company": FOREIGN})]
    feed = [*of_patient, *named, {"status": "Validation Failed"}, {"as_of": "2099-01-01T00:00"}]
    exceptions = [*of_patient, {"status": "all"}]
    log = [*of_patient, *({"group_by": each} for each in ("clinic", "user", "method"))]
    range_ = {"since": "2026-05-01", "until": "2026-12-31"}
    months = [{"company": FOREIGN}, {"company": FOREIGN, "month": MONTH}, {"company": OWN, "month": MONTH}]
    days = [*report, {"clinic": FOREIGN_CLINIC, "day": "2026-05-05"}, {"day": "2026-05-05"}]
    flow = [{"clinic": each, "charge_type": "Copay", "date": "2026-05-05"} for each in (FOREIGN_CLINIC, OWN_CLINIC)]
    flow += [{**each, "patient": FOREIGN_PATIENT} for each in flow]
    return {
        **probes_of_list("claims-feed", feed),
        **probes_of_list("exceptions", exceptions),
        **probes_of_list("payment-log", log),
        "GET /": [{}, {"day": "2026-06-05"}],
        "GET /deposit-slip": days,
        **dict.fromkeys(("GET /search", "GET /api/search"), searches),
        **dict.fromkeys((f"GET /{path}" for path in ("account", "api/account", "patient", "api/patient")), account),
        **dict.fromkeys(("GET /today", "GET /api/today"), days),
        **dict.fromkeys(("GET /will-it-flow", "GET /api/would-flow"), flow),
        **balancing_probes([*report, range_, range_ | {"clinic": OWN_CLINIC}], FOREIGN_CLINIC),
        "GET /months": [{}, *months],
        "GET /api/months": months[:1],
    }


def _page_probes(
    keys: list[str], runs: list[dict[str, Any]], user: list[dict[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    clinic = [FOREIGN_CLINIC, f"{FOREIGN}:{FOREIGN_CLINIC}"]
    own_key = f"{OWN_CLINIC}/own/1"
    timeline = [{"payment": key} for key in [*keys, own_key, f"{FOREIGN}:{FOREIGN_KEY}"]]
    timeline += [{"payment": key, "company": FOREIGN} for key in [*keys, own_key]]
    return {
        "GET /clinics": [{}, *({"like": each} for each in clinic)],
        "GET /clinic": [
            *({"clinic": each} for each in [*clinic, OWN_CLINIC]),
            *({"clinic": each, "company": FOREIGN} for each in (FOREIGN_CLINIC, OWN_CLINIC)),
        ],
        "GET /new-ids": [{}],
        "GET /timeline": timeline,
        "GET /api/timeline": timeline,
        "GET /api/openapi.json": [{}],
        "GET /requeue-runs/new": runs,
        **dict.fromkeys(("GET /trends", "GET /api/trends", "GET /api/not-in-billing"), FIGURE_QUERIES),
        **{f"GET /{each}": [{}] for each in "requeue-runs api/requeue-runs operations api/operations help".split()},
        "GET /import-tasks/{task_id}": [{"task_id": TASK_ID}],
        "GET /api/requeue-preview": runs,
        "GET /users": [{}],
        "GET /user": [{}, *user],
        "GET /own-account": [{}],
        "GET /company": [{}, {"company": FOREIGN}],
        "GET /audit": [{}, {"show": "all"}, {"show": "all", "who": FOREIGN_USER}, {"subject": FOREIGN_PATIENT}],
        "GET /audit/summary": [{}],
        "GET /audit/export": [{"show": "all"}, {"show": "all", "subject": FOREIGN_PATIENT}],
    }


def _change_probes(
    keys: list[str], runs: list[dict[str, Any]], user: list[dict[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    month = [{"company": FOREIGN, "month": "2026-06", "confirm": "2026-06"}]
    scope = {"company": [FOREIGN], "all_clinics": "on"}
    clinics = {"company": [OWN], "clinic": [f"{FOREIGN}:{FOREIGN_CLINIC}", FOREIGN_CLINIC]}
    company = {"kind": "company", "company": FOREIGN, "id": FOREIGN}
    new_ids = [company, {"kind": "company", "company": NEW_COMPANY, "id": NEW_COMPANY}]
    new_ids += [{"kind": "clinic", "company": FOREIGN, "id": each} for each in (FOREIGN_CLINIC, NEW_CLINIC)]
    return {
        "POST /claims-feed/selected": [{"payment": keys}, {"payment": keys, "company": FOREIGN}],
        "POST /claims-feed/requeue": [{"payment": keys}, {"payment": keys, "company": FOREIGN}],
        "POST /api/requeue": [{"payments": keys}, {"payments": keys, "company": FOREIGN}],
        "POST /requeue-runs": [{**run, "confirmed": "9"} for run in runs],
        "POST /api/requeue-runs": [{**run, "count": 9} for run in runs],
        "POST /months/schedule": month,
        "POST /months/cancel": month,
        "POST /months/close": month,
        "POST /new-ids/confirm": new_ids,
        "POST /new-ids/retire": new_ids,
        "POST /users": [{"name": "spy", "role": "billing", "password": PASSWORD, **each} for each in (scope, clinics)],
        "POST /own-account/password": [{"old_password": "wrong", "password": PASSWORD, "password_again": PASSWORD}],
        "POST /own-account/sessions/end": [{"session": each} for each in ("", "0" * 16)],
        "POST /users/change": [{**each, "role": "admin", **scope} for each in user],
        "POST /users/disable": user,
        "POST /users/enable": user,
        "POST /users/password": [{**each, "password": "another long password"} for each in user],
    }


def _clinic_change_probes() -> dict[str, list[dict[str, Any]]]:
    return {
        "POST /clinic": [
            {"clinic": FOREIGN_CLINIC, "type": "Copay"},
            {"clinic": FOREIGN_CLINIC, "company": FOREIGN, "type": "Copay"},
            {"clinic": f"{FOREIGN}:{FOREIGN_CLINIC}", "type": "Copay"},
        ],
        "POST /company": [{"company": FOREIGN, "hold_days": 1, "exception_days": 1, "adjustments": "auto"}],
        "POST /clinic/copy": [
            {"clinic": OWN_CLINIC, "to": FOREIGN_CLINIC},
            {"clinic": OWN_CLINIC, "to": f"{FOREIGN}:{FOREIGN_CLINIC}"},
            {"clinic": FOREIGN_CLINIC, "to": OWN_CLINIC},
            {"clinic": FOREIGN_CLINIC, "company": FOREIGN, "to": OWN_CLINIC},
        ],
    }
