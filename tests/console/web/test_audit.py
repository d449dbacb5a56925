"""The audit history records which user viewed a patient or changed data."""

import pytest
from fastapi import FastAPI

from payments.access.audit import AuditFilter
from payments.store.db.isolation import ALL_COMPANIES
from tests.builders.audit_history import newest_entries
from tests.builders.committed import ClinicLedger
from tests.builders.events import saved_patient, saved_payment
from tests.console.web.scenarios import LoggedIn, add_not_sent, audit_rows


def test_viewing_a_patient_is_audited(logged_in: LoggedIn, ledger: ClinicLedger, site: FastAPI) -> None:
    ledger.publish("looks", saved_patient("p-looked-at"), saved_payment(clinic_id="looks", patient_id="p-looked-at"))
    front = logged_in("front-office")

    for path, query in (
        ("/account", {"patient": "p-looked-at"}),
        ("/timeline", {"payment": "looks/payment/1"}),
        ("/payment-log", {"patient": "p-looked-at"}),
        ("/claims-feed", {"find": "p-looked-at"}),
        ("/api/account", {"patient": "p-looked-at"}),
    ):
        assert front.get(path, **query).status_code == 200
    with site.state.console.transaction(ALL_COMPANIES) as tx:
        seen = newest_entries(tx, AuditFilter(who="user:front-office"), 5)

    assert [row.action for row in reversed(seen)] == [
        "viewed account",
        "viewed timeline",
        "viewed Patient Payment Log",
        "viewed Claims Feed",
        "viewed account",
    ]
    assert [row.subject for row in seen].count("p-looked-at") == 4


@pytest.mark.slow
def test_changes_are_audited_with_the_users_name(logged_in: LoggedIn, ledger: ClinicLedger, site: FastAPI) -> None:
    add_not_sent(ledger, "audited", "shoes")
    ledger.in_office("audited-too", lambda office: None)
    name, password = {"name": "new-one"}, {"password": "long enough it is"}
    everything = {"all_companies": "on", "all_clinics": "on"}

    for who, path, fields, action in (
        ("support", "/clinic", {"clinic": "audited", "integration": "on"}, "changed clinic settings"),
        ("support", "/clinic/copy", {"clinic": "audited", "to": "audited-too"}, "changed clinic settings"),
        ("support", "/claims-feed/requeue", {"payment": "audited/shoes/1"}, "requeued"),
        ("support", "/requeue-runs", {"status": "Not Sent", "clinic": "audited"}, "requeued by filter"),
        ("admin", "/users", {**name, **password, **everything, "role": "billing"}, "user added"),
        ("admin", "/users/password", {**name, **password}, "password set"),
        ("admin", "/users/change", {**name, **everything, "role": "support"}, "user changed"),
        ("admin", "/users/disable", name, "user disabled"),
        ("admin", "/users/enable", name, "user enabled"),
    ):
        before = len(audit_rows(site, action))
        assert logged_in(who).post(path, **fields).status_code == 303, path
        after = audit_rows(site, action)
        assert (len(after) - before, after[0].who) == (1, f"user:{who}"), path


@pytest.mark.slow
def test_audit_page_shows_only_changes_by_default(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    ledger.publish("shown", saved_patient("p-shown"), saved_payment(clinic_id="shown", patient_id="p-shown"))
    logged_in("front-office").get("/account", patient="p-shown")
    logged_in("front-office").get("/search", q="p-shown")
    logged_in("support").post("/clinic", clinic="shown", integration="on", type="Copay")
    admin = logged_in("admin")

    def actions(**query: str) -> set[str]:
        page = admin.get("/audit", **query).text
        return {each for each in ("Viewed account", "Searched", "Changed clinic settings") if f">{each}</td>" in page}

    assert actions() == {"Changed clinic settings"}
    assert actions(show="access", who="front-office") == {"Viewed account", "Searched"}
    assert actions(show="all", subject="p-shown") == {"Viewed account", "Searched"}
    assert actions(action="viewed account") == {"Viewed account"}
