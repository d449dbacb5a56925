"""The page of unconfirmed companies, clinics and patients: confirm an id, or retire it while it is empty."""

from fastapi import FastAPI

from payments.journeys import confirming
from payments.store.db.isolation import INSTALLATION
from tests.builders.committed import ClinicLedger
from tests.builders.events import saved_charge, saved_payment
from tests.console.web.scenarios import LoggedIn, audit_rows


def publish(ledger: ClinicLedger, company: str, clinic: str) -> dict[str, str]:
    """Publish a payment of a new company and clinic, and return the fields of the clinic's forms."""
    ledger.import_events(saved_payment(company_id=company, clinic_id=clinic, patient_id=f"p-{clinic}"))
    return {"kind": "clinic", "company": company, "id": clinic}


def states(site: FastAPI, company: str) -> list[tuple[str, bool]]:
    with site.state.console.transaction(INSTALLATION) as tx:
        rows = confirming.list_unconfirmed(tx)
    return [(row.kind, row.retired_by is not None) for row in rows if row.company == company]


def test_new_clinic_is_retired_and_confirmed(logged_in: LoggedIn, ledger: ClinicLedger, site: FastAPI) -> None:
    fields, admin = publish(ledger, "typo-co", "typo-north"), logged_in("admin")
    assert "typo-north" in admin.get("/new-ids").text

    assert admin.post("/new-ids/retire", **fields).status_code == 303
    assert ("clinic", True) in states(site, "typo-co")
    assert "clinic=typo-north" not in admin.get("/clinics").text
    assert admin.post("/new-ids/confirm", **fields).status_code == 303

    assert states(site, "typo-co") == [("patient", False)]
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
    assert ("clinic", True) not in states(site, "held-co")
