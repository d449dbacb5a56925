"""A user limited to clinics sees and changes only these clinics, on every page and API call."""

import json
from collections.abc import Callable

import pytest

from payments.store.db.connection import Database
from tests.builders.committed import ClinicLedger
from tests.builders.events import saved_patient, saved_payment
from tests.console.web.conftest import CLINIC, OTHER_CLINIC, Browser

LoggedIn = Callable[[str], Browser]

OWN, FOREIGN = "p-of-both", "foreign-payment"
PAGE_ADDRESSES = (
    "/",
    "/claims-feed",
    "/exceptions",
    "/payment-log",
    "/clinics",
    "/balancing?since=2026-06-01&until=2026-06-30",
)
API_CALLS = ("/api/claims-feed", "/api/exceptions", "/api/payment-log", "/api/balancing")


@pytest.fixture(scope="package", autouse=True)
def both_clinics(ledger_database: Database) -> None:
    ledger = ClinicLedger(ledger_database)
    for clinic, payment_id in ((CLINIC, "own-payment"), (OTHER_CLINIC, FOREIGN)):
        payment = saved_payment("25.00", clinic_id=clinic, payment_id=payment_id, patient_id=OWN)
        free = saved_payment(clinic_id=clinic, payment_id=f"{payment_id}-free", patient_id=OWN, amount_due="0.00")
        key = {"company_id": "company", "clinic_id": clinic, "payment_id": f"{payment_id}-broken", "line_id": "1"}
        broken = json.dumps(key).encode()
        ledger.publish(clinic, saved_patient(OWN), payment, free, broken, b"{of no clinic " + clinic.encode())


@pytest.mark.parametrize("path", [*PAGE_ADDRESSES, *API_CALLS])
def test_limited_user_sees_no_data_of_other_clinics(logged_in: LoggedIn, path: str) -> None:
    answer = logged_in("billing-of-north").get(path)

    assert answer.status_code == 200
    assert OTHER_CLINIC not in answer.text
    assert FOREIGN not in answer.text


@pytest.mark.parametrize("path", [*PAGE_ADDRESSES[1:4], PAGE_ADDRESSES[5], *API_CALLS])
def test_limited_user_cannot_select_another_clinic(logged_in: LoggedIn, path: str) -> None:
    assert logged_in("billing-of-north").get(path.partition("?")[0], clinic=OTHER_CLINIC).status_code == 403


def test_limited_user_sees_only_their_clinics_part_of_an_account(logged_in: LoggedIn) -> None:
    def total(name: str) -> str:
        amount: str = logged_in(name).get("/api/account", patient=OWN).json()["rows"][0]["payments_total"]
        return amount

    assert total("billing") == "50.00"
    assert total("billing-of-north") == "25.00"
    page = logged_in("billing-of-north").get("/account", patient=OWN).text
    assert FOREIGN not in page
    assert "Payments of your clinics only" in page


def test_limited_user_cannot_see_another_clinics_timeline(logged_in: LoggedIn) -> None:
    limited = logged_in("billing-of-north")
    refused = [
        row["refused"]
        for row in logged_in("billing").get("/api/claims-feed", limit=1000).json()["rows"]
        if row["refused"] and row["clinic"] != CLINIC
    ]
    assert len(refused) >= 2

    for key in (f"{OTHER_CLINIC}/{FOREIGN}/1", *refused):
        assert limited.get("/timeline", payment=key).status_code == 404
        assert limited.get("/api/timeline", payment=key).status_code == 404
    assert limited.get("/timeline", payment=f"{CLINIC}/own-payment/1").status_code == 200


def test_limited_user_cannot_change_another_clinic(logged_in: LoggedIn) -> None:
    support, billing = logged_in("support-of-north"), logged_in("billing-of-north")
    key = f"{OTHER_CLINIC}/{FOREIGN}-broken/1"
    number = next(row["id"] for row in logged_in("billing").get("/api/exceptions", clinic=OTHER_CLINIC).json()["rows"])
    # Other tests publish invalid events of both clinics.
    rows = logged_in("billing").get("/api/claims-feed", status="Validation Failed", limit=1000).json()["rows"]
    own = [row["payment"] for row in rows if row["clinic"] == CLINIC]

    assert support.call("/api/requeue", {"payments": [key]}).json() == {"count": 0, "passed_over": [key]}
    assert support.get("/requeue-runs/new", status="Validation Failed", clinic=OTHER_CLINIC).status_code == 403
    assert 0 < len(own) < len(rows)
    assert f"<strong>{len(own)}</strong>" in support.get("/requeue-runs/new", status="Validation Failed").text
    assert billing.post(f"/exceptions/{number}/accept", version=1).status_code == 404
    assert billing.post(f"/exceptions/{number}/acknowledge", version=1, reason="x").status_code == 404
    assert support.get("/clinic", clinic=OTHER_CLINIC).status_code == 404
    assert support.post("/clinic", clinic=OTHER_CLINIC, integration="on").status_code == 404
    assert support.post("/clinic/copy", clinic=CLINIC, to=OTHER_CLINIC).status_code == 404
    assert billing.get("/payment-log/export", clinic=OTHER_CLINIC).status_code == 403
    assert FOREIGN not in billing.get("/payment-log/export").text


def test_limited_user_cannot_see_a_requeue_run_of_all_clinics(logged_in: LoggedIn) -> None:
    run = logged_in("support").post("/requeue-runs", status="Validation Failed").headers["location"]

    assert logged_in("support-of-north").get(run).status_code == 404


def test_limited_user_cannot_see_months_or_other_clinics_would_flow(logged_in: LoggedIn) -> None:
    limited = logged_in("billing-of-north")

    assert limited.get("/months").status_code == 403
    assert limited.get("/api/months", company="company").status_code == 403
    for action in ("schedule", "cancel", "close"):
        assert limited.post(f"/months/{action}", company="company", month="2026-05").status_code == 403
    asked = {"charge_type": "Copay", "date": "2026-06-05"}
    assert limited.get("/api/would-flow", clinic=OTHER_CLINIC, **asked).status_code == 403
    assert limited.get("/api/would-flow", clinic=CLINIC, **asked).status_code == 200
