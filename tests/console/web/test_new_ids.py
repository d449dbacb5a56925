"""The page of unconfirmed companies, clinics and patients: confirm an id, or retire an empty one."""

from fastapi import FastAPI

from payments.access import authentication
from payments.access.authentication import NewPassword
from payments.access.rights import Role, User
from payments.core.scope import Scope
from payments.journeys import confirming
from payments.store.db.connection import transaction
from payments.store.db.isolation import ALL_COMPANIES
from tests.builders.committed import ClinicLedger
from tests.builders.events import saved_charge, saved_payment
from tests.console.web.conftest import CHEAP, PASSWORD, Browser, client_at, send_login
from tests.console.web.scenarios import LoggedIn, audit_rows


def publish(ledger: ClinicLedger, company: str, clinic: str) -> dict[str, str]:
    """Publish a payment of a new company and clinic, and return the fields of the clinic's forms."""
    ledger.import_events(saved_payment(company_id=company, clinic_id=clinic, patient_id=f"p-{clinic}"))
    return {"kind": "clinic", "company": company, "id": clinic}


def state_by_id(site: FastAPI, company: str) -> list[tuple[str, bool]]:
    with site.state.console.transaction(ALL_COMPANIES) as tx:
        rows = confirming.list_unconfirmed(tx)
    return [(row.kind, row.retired_by is not None) for row in rows if row.company == company]


def test_new_clinic_is_retired_and_confirmed(logged_in: LoggedIn, ledger: ClinicLedger, site: FastAPI) -> None:
    fields, admin = publish(ledger, "typo-co", "typo-north"), logged_in("admin")
    assert "typo-north" in admin.get("/new-ids").text

    assert admin.post("/new-ids/retire", **fields).status_code == 303
    assert ("clinic", True) in state_by_id(site, "typo-co")
    assert "clinic=typo-north" not in admin.get("/clinics").text
    assert admin.post("/new-ids/confirm", **fields).status_code == 303

    assert state_by_id(site, "typo-co") == [("patient", False)]
    assert "clinic=typo-north" in admin.get("/clinics").text
    assert [row.subject for row in audit_rows(site, "retired clinic")] == ["typo-north"]
    assert [row.subject for row in audit_rows(site, "confirmed clinic")] == ["typo-north"]


def test_clinic_that_is_not_empty_has_no_button_and_is_not_retired(
    logged_in: LoggedIn, ledger: ClinicLedger, site: FastAPI
) -> None:
    fields, admin = publish(ledger, "held-co", "held-north"), logged_in("admin")
    ledger.import_events(saved_charge("c", "5.00", company_id="held-co", clinic_id="held-north"))

    refused = admin.post("/new-ids/retire", **fields)

    assert refused.status_code == 409
    assert "is not empty: charges: 1; nothing was changed" in refused.text
    assert "it has charges: 1" in admin.get("/new-ids").text
    assert ("clinic", True) not in state_by_id(site, "held-co")


def test_administrator_of_a_retired_company_has_no_button_to_confirm_it(
    logged_in: LoggedIn, ledger: ClinicLedger, site: FastAPI, address: str
) -> None:
    publish(ledger, "gone-co", "gone-north")
    fields, button = (
        {"kind": "company", "company": "gone-co", "id": "gone-co"},
        'class="visually-hidden">company gone-co</span>',
    )
    with transaction(ledger.database) as tx:
        own = User("admin-of-gone-co", Role.ADMIN, Scope.of_companies("gone-co"))
        authentication.add_user(tx, own, NewPassword(PASSWORD, CHEAP), ledger.now(), "tests")
    assert logged_in("admin").post("/new-ids/retire", **fields).status_code == 303

    with client_at(address) as client:
        assert send_login(client, own.name, PASSWORD).status_code == 303
        browser = Browser(client, own.name)
        assert button not in browser.get("/new-ids").text
        refused = browser.post("/new-ids/confirm", **fields)

    assert (refused.status_code, "only a user of all companies can confirm it" in refused.text) == (409, True)
    assert ("company", True) in state_by_id(site, "gone-co")
    assert button in logged_in("admin").get("/new-ids").text
