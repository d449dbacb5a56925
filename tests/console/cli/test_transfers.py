"""`payments transfers make`, `undo` and `list`."""

import pytest

from payments.store.db.connection import Database
from tests.builders.committed import ClinicLedger
from tests.builders.events import saved_patient
from tests.console.cli.closed_april_company import ClosedAprilCompany
from tests.console.conftest import Terminal


@pytest.fixture
def company(terminal: Terminal, ledger_database: Database) -> ClosedAprilCompany:
    """A company with a payment of 25.00 of patient ada, and another patient."""
    company = ClosedAprilCompany(terminal, ledger_database)
    ben = saved_patient("ben", company_id=company.id)
    ClinicLedger(ledger_database).in_office(company.id, lambda office: office.publish(ben), company_id=company.id)
    return company


def transfers(company: ClosedAprilCompany, terminal: Terminal, *more: str) -> list[dict[str, object]]:
    return terminal.run("transfers", "list", "--company", company.id, *more, "--format", "json").rows


def test_payment_is_moved_and_moved_back(company: ClosedAprilCompany, terminal: Terminal) -> None:
    key = f"{company.id}/payment/1"
    make = ("transfers", "make", "--payment", key, "--to", "ben", "--reason", "wrong patient", "--request-key", "one")
    first, again = terminal.run(*make).out, terminal.run(*make).out
    (row,) = transfers(company, terminal, "--patient", "ben", "--status", "posted")
    number = str(row["id"])

    assert first.startswith(f"Transfer {number}: moved 25.00 from patient ada to patient ben with deposit date ")
    assert again == f"Transfer {number} was made before; nothing was changed.\n"
    assert (row["payment"], row["amount"], row["changed_in_emr"]) == (key, "25.00", False)
    undo = ("transfers", "undo", number, "--reason", "it was right")
    assert terminal.run(*undo, "--dry-run").out.endswith("Nothing was changed.\n")
    assert terminal.run(*undo).out == f"Transfer {number} undone: 25.00 moved back to patient ada.\n"
    assert terminal.run(*undo).out.endswith("nothing was changed.\n")
    (row,) = transfers(company, terminal)
    assert (row["status"], row["undo_reason"]) == ("undone", "it was right")


def test_refused_transfer_is_one_line_on_stderr(company: ClosedAprilCompany, terminal: Terminal) -> None:
    refused = terminal.run(
        "transfers", "make", "--payment", f"{company.id}/payment/1", "--to", "nobody", "--reason", "wrong patient"
    )

    assert (refused.status, refused.out) == (1, "")
    assert f"there is no patient nobody in company {company.id}" in refused.err
    assert transfers(company, terminal) == []
