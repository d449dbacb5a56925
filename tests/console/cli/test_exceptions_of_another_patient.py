"""A payment of a closed month is changed to another patient. Each proposed entry names its patient."""

import pytest

from payments.store.db.connection import Database
from tests.builders.events import deleted_payment, paid, saved_patient, saved_payment
from tests.console.cli.closed_april_company import ClosedAprilCompany
from tests.console.conftest import Terminal


@pytest.fixture
def company(terminal: Terminal, ledger_database: Database) -> ClosedAprilCompany:
    found = ClosedAprilCompany(terminal, ledger_database)
    found.publish(saved_patient("bea", company_id=found.id))
    return found


@pytest.mark.parametrize("amount", ["25.00", "35.00"])
def test_proposal_names_the_patient_whose_payment_is_reversed(
    company: ClosedAprilCompany, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, amount: str
) -> None:
    moved = company.ids | {"patient_id": "bea"}
    company.publish(saved_payment(version=2, **paid(amount, "2020-04-08"), **moved))

    (row,) = company.exceptions()
    assert row["patient"] == "bea"
    assert row["proposal"] == [
        {"amount": "-25.00", "method": "Cash", "charge_type": "Copay", "patient": "ada"},
        {"amount": amount, "method": "Cash", "charge_type": "Copay"},
    ]
    monkeypatch.setenv("COLUMNS", "300")  # the column does not wrap
    assert "-25.00 Cash (patient ada)" in terminal.run("report", "exceptions", "--clinic", company.id).out
    csv = terminal.run("report", "exceptions", "--clinic", company.id, "--format", "csv").out
    assert "-25.00 Cash Copay ada" in csv


def test_proposal_for_the_same_patient_names_no_patient(company: ClosedAprilCompany) -> None:
    company.publish(deleted_payment(version=2, **company.ids))

    (row,) = company.exceptions()
    assert row["proposal"] == [{"amount": "-25.00", "method": "Cash", "charge_type": "Copay"}]
