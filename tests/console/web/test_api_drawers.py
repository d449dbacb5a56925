"""The API and the pages of drawers."""

from datetime import UTC, datetime

from fastapi import FastAPI

from tests.builders.committed import ClinicLedger
from tests.builders.events import paid, saved_patient, saved_payment
from tests.console.web.scenarios import LoggedIn, audit_rows, rows

TODAY = str(datetime.now(UTC).date())


def take_payments(ledger: ClinicLedger, clinic: str) -> None:
    """Publish 40.00 in cash and a check of 30.00, dated today."""
    ids = {"clinic_id": clinic, "company_id": f"{clinic}-co"}
    events = (
        saved_payment(payment_id="cash", method="Cash", **paid("40.00", TODAY), **ids),
        saved_payment(payment_id="check", method="Check", reference="1021", **paid("30.00", TODAY), **ids),
    )
    company = f"{clinic}-co"
    ledger.in_office(
        clinic, lambda office: office.publish(saved_patient(company_id=company), *events), company_id=company
    )


def test_api_opens_counts_and_closes_a_drawer(logged_in: LoggedIn, ledger: ClinicLedger, site: FastAPI) -> None:
    take_payments(ledger, "api-drawer")
    desk, billing = logged_in("front-office"), logged_in("billing")

    opened = desk.call("/api/drawers", {"clinic": "api-drawer", "day": TODAY, "starting_cash": "100.00"}).json()
    again = desk.call("/api/drawers", {"clinic": "api-drawer", "day": TODAY}).json()
    address = f"/api/drawers/{opened['drawer']['id']}"

    assert (opened["before"], again["before"], again["drawer"]) == (False, True, opened["drawer"])
    assert {each["method"]: each["expected"] for each in opened["methods"] if each["expected"] != "0.00"} == {
        "Cash": "140.00",
        "Check": "30.00",
    }
    assert [(each["payment"], each["kind"]) for each in opened["payments"]] == [
        ("api-drawer/cash/1", "of_day"),
        ("api-drawer/check/1", "of_day"),
    ]
    short = desk.call(f"{address}/count", {"bills_20": 6, "check": "30.00"}).json()["drawer"]
    assert (short["state"], short["difference"], short["counted_by"]) == ("locked", "-20.00", "user:front-office")
    assert billing.call(f"{address}/close", {}).status_code == 409
    assert billing.call(f"{address}/count", {"bills_20": 7}).status_code == 403
    assert desk.call(f"{address}/close", {}).status_code == 403
    balanced = desk.call(f"{address}/count", {"bills_20": 6, "check": "30.00", "reason": "in the safe"}).json()
    assert balanced["drawer"]["state"] == "balanced"
    closed = billing.call(f"{address}/close", {}).json()["drawer"]
    assert (closed["state"], closed["closed_by"]) == ("closed", "user:billing")
    assert [each["state"] for each in rows(billing, "/api/drawers", clinic="api-drawer")] == ["closed"]
    assert "20.00 short" in audit_rows(site, "closed drawer")[0].detail
    assert desk.call("/api/drawers", {"clinic": "nowhere"}).status_code == 409


def test_page_of_a_drawer_shows_what_each_role_can_do(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    take_payments(ledger, "page-drawer")
    desk, billing = logged_in("front-office"), logged_in("billing")

    opened = desk.post("/drawers", clinic="page-drawer", day=TODAY, starting_cash="", company="")
    address = opened.headers["location"]
    page = desk.get(address).text
    assert "Count and lock" in page
    assert "Count and lock" not in billing.get(address).text
    assert "Close drawer" not in billing.get(address).text

    desk.post(f"{address}/count", bills_20="2", coins_25="", check="30.00", credit_card="", reason="")
    assert "Close drawer" in billing.get(address).text
    assert "Close drawer" not in desk.get(address).text
    billing.post(f"{address}/close")
    paper = billing.get(f"{address}/pdf")
    assert (paper.headers["content-type"], paper.content[:5]) == ("application/pdf", b"%PDF-")
    page = desk.get(address).text
    assert "Save count" not in page
    assert "$20 bills" in page
    assert desk.get("/drawers/999999999").status_code == 404
