"""`payments report account --format csv`: the row of each payment repeats the sums of the patient's account."""

import csv

import pytest

from console.reports.payment_log import PAYMENT_LOG
from payments.store.db.connection import Database
from tests.builders.committed import LONG_AGO, Company
from tests.builders.events import paid, saved_charge, saved_patient, saved_payment
from tests.console.conftest import Terminal

SUM_COLUMNS = ["company", "account_payments_total", "account_unassigned", "account_balance", "account_credit"]


@pytest.fixture
def company(ledger_database: Database) -> Company:
    """A company whose patient owes 15.00."""
    made = Company(ledger_database)
    made.publish(
        saved_patient(made.patient_id, company_id=made.id),
        saved_charge("april", "15.00", date_of_service="2020-04-08", **made.ids),
    )
    return made


def rows(terminal: Terminal, patient: str, *more: str) -> list[dict[str, str]]:
    printed = terminal.run("report", "account", patient, "--format", "csv", *more).out.splitlines()
    assert printed[0].split(",") == [*PAYMENT_LOG.keys, *SUM_COLUMNS[1:]]
    return [*csv.DictReader(printed)]


@pytest.mark.slow
def test_each_payment_has_the_sums_of_its_account(terminal: Terminal, company: Company) -> None:
    company.publish(
        saved_payment(payment_id="a", **paid("25.00", "2020-04-08"), **company.ids),
        saved_payment(payment_id="b", **paid("100.00", "2020-05-04"), **company.ids),
    )

    found = rows(terminal, company.patient_id)

    assert [row["amount"] for row in found] == ["25.00", "100.00"]
    assert [[row[key] for key in SUM_COLUMNS] for row in found] == [
        [company.id, "125.00", "125.00", "15.00", "0.00"]
    ] * 2
    assert rows(terminal, company.patient_id, "--limit", "1") == found[:1]


def test_account_without_payments_has_a_row_with_its_sums(terminal: Terminal, company: Company) -> None:
    (row,) = rows(terminal, company.patient_id)

    assert (row["payment"], row["patient"], row["amount"]) == ("", company.patient_id, "")
    assert [row[key] for key in SUM_COLUMNS] == [company.id, "0.00", "0.00", "15.00", "0.00"]


def test_accounts_of_two_companies_keep_their_own_sums(terminal: Terminal, company: Company) -> None:
    theirs = company.ids | {"company_id": f"d-{company.id}", "clinic_id": f"d-{company.id}"}
    company.set_clinic(theirs["clinic_id"], company_id=theirs["company_id"], since=LONG_AGO)
    company.publish(
        saved_payment(payment_id="a", **paid("25.00", "2020-04-08"), **company.ids),
        saved_patient(theirs["patient_id"], company_id=theirs["company_id"]),
        saved_payment(payment_id="a", **paid("7.00", "2020-04-08"), **theirs),
    )

    companies = company.id, theirs["company_id"]
    found = [row for each in companies for row in rows(terminal, company.patient_id, "--company", each)]

    assert [[row[key] for key in ("amount", *SUM_COLUMNS[:2])] for row in found] == [
        ["25.00", company.id, "25.00"],
        ["7.00", theirs["company_id"], "7.00"],
    ]
