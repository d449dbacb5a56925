"""Transfers on pages and in the API: a payment is moved to another patient, and moved back."""

from fastapi import FastAPI

from tests.builders.committed import ClinicLedger
from tests.builders.events import saved_patient
from tests.console.web.scenarios import (
    LoggedIn,
    audit_rows,
    edit_in_closed_month,
    exception_of,
    page_text,
    rows,
)


def add_sister(ledger: ClinicLedger, clinic: str, company: str) -> None:
    sister = saved_patient("sister", company_id=company)
    ledger.in_office(clinic, lambda office: office.publish(sister), company_id=company)


def test_api_moves_a_payment_and_moves_it_back(logged_in: LoggedIn, ledger: ClinicLedger, site: FastAPI) -> None:
    edit_in_closed_month(ledger, "api-transfer", "api-transfer-co")
    add_sister(ledger, "api-transfer", "api-transfer-co")
    billing = logged_in("billing")
    payment = exception_of(billing, "api-transfer")["payment"]
    body = {"payment": payment, "to": "sister", "amount": "5.00", "reason": "wrong patient", "request_key": "click"}

    first, again = (billing.call("/api/transfers", body).json() for _ in range(2))
    moved = first["transfer"]
    address = f"/api/transfers/{moved['id']}"

    assert (first["before"], again["before"], again["transfer"]) == (False, True, moved)
    assert (moved["status"], moved["payment"], moved["to_patient"]) == ("posted", payment, "sister")
    entries = rows(billing, "/api/payment-log", company="api-transfer-co", kind="manual")
    assert {(each["entry"], each["amount"]) for each in entries} == {
        (moved["from_entry"], "-5.00"),
        (moved["to_entry"], "5.00"),
    }
    assert billing.call(f"/api/entries/{moved['to_entry']}/reverse", {"reason": "x"}).status_code == 409
    assert logged_in("front-office").call(f"{address}/undo", {"reason": "x"}).status_code == 403
    assert billing.call(f"{address}/undo", {"reason": "it was right"}).json()["transfer"]["status"] == "undone"
    assert [each["id"] for each in rows(billing, "/api/transfers", patient="sister", limit="1")] == [moved["id"]]
    assert "it was right" in audit_rows(site, "undid transfer")[0].detail


def test_page_moves_the_credit_of_an_account(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    edit_in_closed_month(ledger, "page-transfer", "page-transfer-co")
    add_sister(ledger, "page-transfer", "page-transfer-co")
    billing = logged_in("billing")
    payment = exception_of(billing, "page-transfer")["payment"]

    form = billing.get("/transfers/new", payment=payment, company="page-transfer-co")
    billing.post("/transfers", payment=payment, to="sister", reason="wrong patient", request_key="page-click")
    (row,) = rows(billing, "/api/transfers", company="page-transfer-co")
    address = f"/transfers/{row['id']}"

    assert "can be moved" in page_text(form)
    assert f"Transfer {row['id']}: moved" in page_text(billing.get(address))
    assert f"This entry is of transfer {row['id']}" in page_text(billing.get(f"/entries/{row['to_entry']}"))
    assert f'href="/transfers/new?entry={row["to_entry"]}"' in billing.get(f"/entries/{row['to_entry']}").text
    listed = page_text(billing.get("/transfers", company="page-transfer-co"))
    assert ("Posted" in listed, "wrong patient" in listed) == (True, True)
    billing.post(f"{address}/undo", reason="it was right")
    undone = billing.get(address)
    assert "has undone this transfer" in page_text(undone)
    assert f'action="{address}/undo"' not in undone.text
