"""Refunds on pages and in the API: requested by one person, approved by another."""

from datetime import UTC, datetime

from fastapi import FastAPI

from tests.builders.committed import ClinicLedger
from tests.console.web.scenarios import (
    LoggedIn,
    audit_rows,
    edit_in_closed_month,
    exception_of,
    page_text,
    rows,
)

TODAY = str(datetime.now(UTC).date())


def test_api_refunds_a_payment_after_the_approval_of_another_person(
    logged_in: LoggedIn, ledger: ClinicLedger, site: FastAPI
) -> None:
    edit_in_closed_month(ledger, "api-refund", "api-refund-co")
    billing, admin = logged_in("billing"), logged_in("admin")
    payment = exception_of(billing, "api-refund")["payment"]
    body = {"payment": payment, "amount": "5.00", "reason": "paid twice", "method": "Check", "request_key": "click"}

    first, again = (billing.call("/api/refunds", body).json() for _ in range(2))
    refund = first["refund"]
    address = f"/api/refunds/{refund['id']}"

    assert (first["before"], again["before"], again["refund"]) == (False, True, refund)
    assert (refund["status"], refund["payment"], refund["requested_by"]) == ("requested", payment, "user:billing")
    assert billing.call(f"{address}/approve", {}).status_code == 409
    assert billing.call(f"{address}/issue", {"reference": "check 9"}).status_code == 409
    assert logged_in("front-office").call(f"{address}/approve", {}).status_code == 403
    assert admin.call(f"{address}/approve", {}).json()["refund"]["approved_by"] == "user:admin"
    issued = billing.call(f"{address}/issue", {"reference": "check 9"}).json()["refund"]
    assert (issued["status"], issued["reference"], issued["deposit_date"]) == ("issued", "check 9", TODAY)
    (entry,) = rows(billing, "/api/payment-log", company="api-refund-co", kind="manual")
    assert (entry["amount"], entry["entry"]) == ("-5.00", issued["entry"])
    assert billing.call(f"/api/entries/{issued['entry']}/reverse", {"reason": "x"}).status_code == 409
    assert billing.call(f"{address}/void", {"reason": "never cashed"}).json()["refund"]["status"] == "voided"
    assert [each["id"] for each in rows(billing, "/api/refunds", company="api-refund-co")] == [refund["id"]]
    assert rows(billing, "/api/refunds", company="api-refund-co", status="issued") == []
    assert [each["id"] for each in rows(billing, "/api/refunds", company="api-refund-co", limit="1")] == [refund["id"]]
    assert "never cashed" in audit_rows(site, "voided refund")[0].detail


def test_page_asks_another_person_to_approve(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    edit_in_closed_month(ledger, "page-refund", "page-refund-co")
    billing, admin = logged_in("billing"), logged_in("admin")
    payment = exception_of(billing, "page-refund")["payment"]

    form = billing.get("/refunds/new", payment=payment)
    billing.post(
        "/refunds",
        payment=payment,
        kind="refund",
        amount="5.00",
        method="Check",
        reason="paid twice",
        request_key="page-click",
    )
    (row,) = rows(billing, "/api/refunds", company="page-refund-co")
    address = f"/refunds/{row['id']}"

    assert "can be paid back" in page_text(form)
    own, other = billing.get(address), admin.get(address)
    assert "requested: 5.00" in page_text(own)
    assert "Another person must approve this refund" in page_text(own)
    assert (f'action="{address}/approve"' in own.text, f'action="{address}/approve"' in other.text) == (False, True)
    assert f'action="{address}/issue"' not in own.text
    admin.post(f"{address}/approve")
    assert f'action="{address}/issue"' in billing.get(address).text
    billing.post(f"{address}/issue", reference="check 9", deposit_date=TODAY)
    assert "issued: posted -5.00 Check" in page_text(billing.get(address))
    listed = page_text(billing.get("/refunds", company="page-refund-co"))
    assert ("Issued" in listed, "paid twice" in listed) == (True, True)
