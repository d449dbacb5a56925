"""The API for manual entries."""

from datetime import UTC, datetime

from fastapi import FastAPI

from tests.builders.committed import ClinicLedger
from tests.console.web.scenarios import LoggedIn, audit_rows, edit_in_closed_month, exception_of, rows

TODAY = str(datetime.now(UTC).date())


def test_api_posts_links_and_reverses_an_entry(logged_in: LoggedIn, ledger: ClinicLedger, site: FastAPI) -> None:
    edit_in_closed_month(ledger, "api-entry", "api-entry-co")
    billing = logged_in("billing")
    found = exception_of(billing, "api-entry")
    place = {"company": "api-entry-co", "clinic": "api-entry", "patient": found["patient"]}
    body = {"kind": "payment", "amount": "10.00", "method": "Cash", "charge_type": "Copay", **place}

    first = billing.call("/api/entries", {**body, "request_key": "click"}).json()
    again = billing.call("/api/entries", {**body, "request_key": "click"}).json()
    entry = first["entry"]
    address = f"/api/entries/{entry['id']}"

    assert (first["before"], again["before"], again["entry"]) == (False, True, entry)
    assert (entry["amount"], entry["deposit_date"], entry["user"]) == ("10.00", TODAY, "user:billing")
    assert billing.call("/api/entries", {**body, "amount": "11.00", "request_key": "click"}).status_code == 409
    linked = billing.call(f"{address}/link", {"exception": found["id"]}).json()
    assert (linked["difference"], linked["settled"], linked["before"]) == ("0.00", True, False)
    assert rows(billing, "/api/exceptions", clinic="api-entry") == []
    assert billing.get(address).json()["entry"]["payment"] == found["payment"]
    assert rows(billing, "/api/payment-log", company="api-entry-co", kind="manual")[0]["payment"] == found["payment"]
    undone = billing.call(f"{address}/reverse", {"reason": "typed twice"}).json()
    assert (undone["entry"]["amount"], undone["entry"]["reverses"]) == ("-10.00", entry["id"])
    assert exception_of(billing, "api-entry")["difference"] == "10.00"
    assert [
        each["amount"] for each in rows(billing, "/api/entries", patient=found["patient"], company="api-entry-co")
    ] == [
        "-10.00",
        "10.00",
    ]
    assert "typed twice" in audit_rows(site, "reversed manual entry")[0].detail


def test_api_refuses_an_entry_without_the_right_or_the_clinic(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    edit_in_closed_month(ledger, "api-refused", "api-refused-co")
    body = {
        "kind": "payment",
        "amount": "10.00",
        "method": "Cash",
        "request_key": "x",
        "company": "api-refused-co",
        "clinic": "nowhere",
        "patient": "patient",
    }

    assert logged_in("front-office").call("/api/entries", body).status_code == 403
    refused = logged_in("billing").call("/api/entries", body)
    assert (refused.status_code, "here is no clinic nowhere" in refused.text) == (409, True)
