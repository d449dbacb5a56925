"""The data of two companies, and requests that ask each endpoint of the console for data of the other company."""

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

from payments.access import authentication, users
from payments.access.authentication import AuditEntry
from payments.access.rights import Role, User
from payments.core.month import Month
from payments.core.scope import Scope
from payments.journeys import closing, requeue_runs
from payments.journeys.requeueing import FeedFilter
from payments.store.db.connection import Database, transaction
from tests.builders.committed import ClinicLedger
from tests.builders.events import event_body, paid, payment_fields, saved_charge, saved_patient, saved_payment
from tests.console.web.balancing_probes import add_log, balancing_probes
from tests.console.web.conftest import PASSWORD
from tests.console.web.exception_probes import add_note, exception_probes
from tests.console.web.list_probes import add_views, export_probes, of_list, view_probes
from tests.console.web.operations_rows import add_operations

OWN, FOREIGN = "alpha", "beta-company"
OWN_CLINIC, FOREIGN_CLINIC = "north", "beta-clinic"
FOREIGN_PATIENT, FOREIGN_USER, MONTH = "beta-patient", "beta-biller", "2026-05"
# A user of an earlier release whose companies are unknown: they belong to no company.
EARLIER_USER = "beta-earlier"
NEW_CLINIC, NEW_COMPANY = "beta-new-clinic", "beta-new-company"
FOREIGN_KEY = f"{FOREIGN_CLINIC}/beta-open/1"
# The data of the other company: its ids, the name of its patient, and its amounts, which are no seconds of a time.
SECRETS = (
    FOREIGN,
    FOREIGN_CLINIC,
    FOREIGN_PATIENT,
    FOREIGN_USER,
    "beta-",
    "Beatrix",
    "73.19",
    "91.87",
    "67.31",
    "88.53",
)
ASKED = {*SECRETS[:3], "beta-", "Beatrix", "73.19"}  # the audit history shows what a user has asked for
ADMIN = "operator-of-all"
TASK = "0f8fad5b-d9cb-469f-a165-70867728950e"
# Their responses have no ids, names or amounts of payments. Another test compares their figures.
FIGURES = ({}, {"since": "2026-01-01"}, {"company": FOREIGN})
FIGURES_ONLY = {
    *("GET /claims-feed/newer", "GET /api/trends", "GET /balancing/emr-logs/{log_id}"),
    "GET /requeue-runs/new/export",
    "GET /claims-feed/newer",
    "GET /audit/summary",
    *("GET /api/openapi.json", "GET /api/would-flow", "GET /requeue-runs/new", "GET /api/requeue-preview"),
    *("GET /api/requeue-runs/{run_id}", "GET /own-account", "GET /help"),
}
_RUN_ENDPOINTS = (
    *("GET /requeue-runs/{run_id}", "GET /api/requeue-runs/{run_id}"),
    *("POST /requeue-runs/{run_id}/stop", "POST /requeue-runs/{run_id}/resume"),
    "POST /api/requeue-runs/{run_id}/stop",
)


class Ids(NamedTuple):
    """Ids of rows of the other company: an exception, requeue runs, and dead letters.

    The last run selects payments of the other company. The filter of the first one selects those of no company.
    """

    exception: int
    runs: list[int]
    dead_letters: list[int]


def publish(ledger: ClinicLedger, clinic: str, *events: Any, company: str) -> None:
    ledger.office(clinic, lambda office: office.publish(*events), company_id=company)


def fill(database: Database) -> None:
    """Store payments, exceptions, months, accounts, dead letters, runs and audit entries of both companies."""
    ledger, now = ClinicLedger(database), datetime.now(UTC)
    own = {"company_id": OWN, "clinic_id": OWN_CLINIC}
    publish(ledger, OWN_CLINIC, saved_payment(payment_id="own", **paid("25.00", "2026-06-05"), **own), company=OWN)
    ids = {"company_id": FOREIGN, "clinic_id": FOREIGN_CLINIC, "patient_id": FOREIGN_PATIENT}
    publish(
        ledger,
        FOREIGN_CLINIC,
        saved_patient(FOREIGN_PATIENT, company_id=FOREIGN, name="Beatrix"),
        saved_charge("beta-charge", "91.87", **ids),
        saved_payment(payment_id="beta-open", **paid("73.19", "2026-05-05"), **ids),
        company=FOREIGN,
    )
    with transaction(database) as tx:
        closing.begin_close(tx, FOREIGN, Month.parse(MONTH), now, f"user:{FOREIGN_USER}")
        closing.finish_close(tx, FOREIGN, Month.parse(MONTH), now)
    publish(
        ledger,
        FOREIGN_CLINIC,
        saved_payment(payment_id="beta-open", version=2, **paid("67.31", "2026-05-05"), **ids),
        saved_payment(payment_id="beta-held", **paid("88.53", "2026-06-05"), **ids | {"patient_id": "beta-nobody"}),
        event_body(payment_fields(payment_id="beta-refused", charge_type="Parking", **ids)),
        # Refused events of the other company, and of no readable company, that name the own clinic.
        event_body(payment_fields(charge_type="Parking", **ids | {"clinic_id": OWN_CLINIC}, payment_id="beta-a")),
        json.dumps({"clinic_id": OWN_CLINIC, "payment_id": "own", "line_id": "1", "patient_id": "beta-b"}).encode(),
        b"beta-unreadable",
        company=FOREIGN,
    )
    _add_unconfirmed(ledger)
    add_operations(database, FOREIGN, TASK)
    with transaction(database) as tx:
        add_note(tx, FOREIGN, now)
        for scope in (Scope(frozenset()), Scope.of_companies(FOREIGN)):
            chosen = FeedFilter(reason="invalid_event", find=FOREIGN_PATIENT, scope=scope)
            requeue_runs.start_run(tx, chosen, now, f"user:{FOREIGN_USER}")
        unknown = Scope(frozenset(), frozenset({FOREIGN_CLINIC}))
        users.add(tx, User(EARLIER_USER, Role.BILLING, unknown), "", now, "tests")
        for name in (FOREIGN_USER, EARLIER_USER):
            authentication.record_audit(tx, AuditEntry(now, f"user:{name}", "viewed account", FOREIGN_PATIENT))
    add_log(database, EARLIER_USER)


def _add_unconfirmed(ledger: ClinicLedger) -> None:
    """Add a clinic and a company that nobody has confirmed, with an Internal Payment: both are empty. Add views."""
    named = {"clinic_id": NEW_CLINIC, "patient_id": FOREIGN_PATIENT, "payment_id": "beta-internal"}
    ledger.import_events(
        *(saved_payment(internal_payment=True, company_id=each, **named) for each in (FOREIGN, NEW_COMPANY))
    )
    add_views(ledger.database, FOREIGN, FOREIGN_USER)


def probes(ids: Ids) -> dict[str, list[dict[str, Any]]]:
    """Return requests that ask each endpoint for data of the other company, by method and path."""
    keys = [FOREIGN_KEY, f"{OWN_CLINIC}/beta-a/1", *(f"refused:{each}" for each in ids.dead_letters)]
    refused = {"status": "Validation Failed"}
    runs = [refused, refused | {"clinic": FOREIGN_CLINIC}, refused | {"company": FOREIGN}]
    user = [{"name": name} for name in (FOREIGN_USER, EARLIER_USER, ADMIN)]
    changes = (
        _change_probes(keys, runs[1:], user) | _clinic_change_probes() | exception_probes(ids.exception, keys, FOREIGN)
    )
    own_runs = [{"run_id": each} for each in ids.runs]
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
    return {
        **of_list("claims-feed", feed),
        **of_list("exceptions", exceptions),
        **of_list("payment-log", log),
        "GET /": [{}, {"day": "2026-06-05"}],
        "GET /deposit-slip": [*report, {"clinic": FOREIGN_CLINIC, "day": "2026-05-05"}, {"day": "2026-05-05"}],
        **dict.fromkeys(("GET /search", "GET /api/search"), searches),
        "GET /account": account,
        "GET /api/account": account,
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
        "GET /api/would-flow": [{"clinic": FOREIGN_CLINIC, "charge_type": "Copay", "date": "2026-05-05"}],
        "GET /requeue-runs/new": runs,
        **dict.fromkeys(("GET /trends", "GET /api/trends", "GET /api/not-in-billing"), FIGURES),
        **{f"GET /{each}": [{}] for each in "requeue-runs api/requeue-runs operations api/operations help".split()},
        "GET /import-tasks/{task_id}": [{"task_id": TASK}],
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
