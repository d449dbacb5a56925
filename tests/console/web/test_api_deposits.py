"""The API and the pages of deposits."""

from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI

from tests.builders.committed import ClinicLedger
from tests.builders.events import paid, saved_patient, saved_payment
from tests.console.web.scenarios import LoggedIn, audit_rows, rows

TODAY = str(datetime.now(UTC).date())


def take_checks(ledger: ClinicLedger, clinic: str, count: int) -> None:
    """Publish checks of 10.00, 11.00 and so on, dated today."""
    company = f"{clinic}-co"
    ids = {"clinic_id": clinic, "company_id": company, "method": "Check"}
    checks = [
        saved_payment(payment_id=f"check-{n}", reference=f"{1000 + n}", **paid(f"{10 + n}.00", TODAY), **ids)
        for n in range(count)
    ]
    ledger.in_office(
        clinic, lambda office: office.publish(saved_patient(company_id=company), *checks), company_id=company
    )


def test_api_makes_and_reverses_a_deposit(logged_in: LoggedIn, ledger: ClinicLedger, site: FastAPI) -> None:
    take_checks(ledger, "api-deposit", 3)
    billing = logged_in("billing")
    found = rows(billing, "/api/undeposited", clinic="api-deposit", method="Check")
    body: dict[str, Any] = {
        "clinic": "api-deposit",
        "method": "Check",
        "bank_account": "First Bank 1234",
        "entries": [each["entry"] for each in found],
        "request_key": "click",
    }

    assert logged_in("front-office").call("/api/deposits", body).status_code == 403
    made, again = billing.call("/api/deposits", body).json(), billing.call("/api/deposits", body).json()
    address = f"/api/deposits/{made['deposit']['id']}"

    assert (made["before"], again["before"], again["deposit"]) == (False, True, made["deposit"])
    assert (made["deposit"]["total"], made["deposit"]["count"], made["deposit"]["day"]) == ("33.00", 3, TODAY)
    assert [each["reference"] for each in made["entries"]] == ["1000", "1001", "1002"]
    assert rows(billing, "/api/undeposited", clinic="api-deposit") == []
    assert billing.call("/api/deposits", {**body, "request_key": "other"}).status_code == 409
    undone = billing.call(f"{address}/reverse", {"reason": "another bank"}).json()
    assert (undone["deposit"]["total"], undone["deposit"]["reverses"]) == ("-33.00", made["deposit"]["id"])
    assert billing.call(f"{address}/reverse", {"reason": "another bank"}).json()["before"] is True
    assert billing.get(address).json()["deposit"]["reversed_by"] == undone["deposit"]["id"]
    assert len(rows(billing, "/api/undeposited", clinic="api-deposit")) == 3
    assert [each["total"] for each in rows(billing, "/api/deposits", clinic="api-deposit")] == ["-33.00", "33.00"]
    assert "another bank" in audit_rows(site, "reversed deposit")[0].detail


def test_page_offers_the_entries_that_are_on_no_deposit(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    take_checks(ledger, "page-deposit", 2)
    billing = logged_in("billing")
    found = rows(billing, "/api/undeposited", clinic="page-deposit")
    offered = {"clinic": "page-deposit", "method": "Check", "since": TODAY, "until": TODAY}

    page = billing.get("/deposits/new", **offered).text
    assert page.count('name="entry"') == 2
    form = {"clinic": "page-deposit", "method": "Check", "bank_account": "First Bank 1234", "request_key": "click"}
    made = billing.post("/deposits", **form, entry=[str(found[0]["entry"])], day="", company="")
    slip = billing.get(made.headers["location"]).text

    assert "1000" in slip
    assert "Signature" in slip
    assert billing.get(f"{made.headers['location']}/pdf").content.startswith(b"%PDF-")
    assert "Reverse deposit" in slip
    assert "Reverse deposit" not in logged_in("front-office").get(made.headers["location"]).text
    assert billing.get("/deposits/new", **offered).text.count('name="entry"') == 1
    billing.post(f"{made.headers['location']}/reverse", reason="no", day="")
    assert "was reversed by" in billing.get(made.headers["location"]).text
    assert billing.get("/deposits/999999999").status_code == 404
