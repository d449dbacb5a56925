"""Every report refuses a clinic or company that Billing does not have, because an empty report would look balanced."""

import pytest
from fastapi import FastAPI

from payments.access import authentication
from payments.access.authentication import NewPassword
from payments.access.rights import Role, User
from payments.core.scope import Scope
from payments.store.db.isolation import ALL_COMPANIES
from tests.builders.committed import ClinicLedger
from tests.builders.events import event_body, payment_fields
from tests.console.conftest import CHEAP
from tests.console.web.conftest import PASSWORD
from tests.console.web.scenarios import LoggedIn

REPORT_PAGES = ["/balancing", "/claims-feed", "/payment-log", "/exceptions"]
API_REPORTS = ["/api/balancing", "/api/claims-feed", "/api/payment-log", "/api/exceptions"]


@pytest.mark.parametrize("path", REPORT_PAGES)
def test_page_for_a_misspelt_clinic_or_company_says_that_there_is_none(logged_in: LoggedIn, path: str) -> None:
    billing = logged_in("billing")
    of_clinic, of_company = billing.get(path, clinic="clnc-001"), billing.get(path, company="acmee")

    assert (of_clinic.status_code, of_company.status_code) == (404, 404)
    assert "There is no clinic clnc-001." in of_clinic.text
    assert "There is no company acmee." in of_company.text
    assert "Balanced to the cent" not in of_clinic.text


@pytest.mark.parametrize("path", API_REPORTS)
def test_api_for_a_misspelt_clinic_says_that_there_is_none(logged_in: LoggedIn, path: str) -> None:
    answer = logged_in("billing").get(path, clinic="clnc-001")

    assert (answer.status_code, answer.json()["error"]) == (404, "There is no clinic clnc-001.")


def test_error_says_that_the_company_of_the_user_has_no_such_clinic(logged_in: LoggedIn, site: FastAPI) -> None:
    user = User("bill-of-company", Role.BILLING, Scope.of_companies("company"))
    with site.state.console.transaction(ALL_COMPANIES) as tx:
        authentication.add_user(tx, user, NewPassword(PASSWORD, CHEAP), site.state.console.clock(), "tests")

    answer = logged_in("bill-of-company").get("/api/balancing", clinic="clnc-001")

    assert (answer.status_code, answer.json()["error"]) == (404, "There is no clinic clnc-001.")


def test_user_of_one_clinic_is_refused_every_other_clinic(logged_in: LoggedIn) -> None:
    for clinic in ("south", "clnc-001"):
        answer = logged_in("billing-of-north").get("/api/balancing", clinic=clinic)

        assert (answer.status_code, answer.json()["error"]) == (403, f"Your account does not include clinic {clinic}.")


def test_clinic_that_only_a_refused_event_names_is_accepted(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    ledger.import_events(event_body(payment_fields(clinic_id="refused-only", charge_type="Parking")))

    answer = logged_in("billing").get("/api/claims-feed", clinic="refused-only")

    assert [row["reason"] for row in answer.json()["rows"]] == ["invalid_event"]
