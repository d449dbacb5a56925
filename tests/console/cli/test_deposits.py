"""`payments deposits make`, `reverse`, `list`, `undeposited` and `show`."""

import pytest

from payments.store.db.connection import Database
from tests.builders.events import paid, saved_payment
from tests.console.cli.closed_april_company import ClosedAprilCompany
from tests.console.conftest import Terminal

DAY = "2020-06-01"


@pytest.fixture
def company(terminal: Terminal, ledger_database: Database) -> ClosedAprilCompany:
    """A company that took checks of 30.00 and 40.00 on a day."""
    company = ClosedAprilCompany(terminal, ledger_database)
    given = company.ids | {"method": "Check"}
    company.publish(
        saved_payment(**given | {"payment_id": "first"}, reference="1021", **paid("30.00", DAY)),
        saved_payment(**given | {"payment_id": "second"}, reference="1022", **paid("40.00", DAY)),
    )
    return company


def to_deposit(company: ClosedAprilCompany, terminal: Terminal) -> list[str]:
    rows = terminal.run("deposits", "undeposited", "--clinic", company.id, "--method", "Check", "--format", "json").rows
    return [str(row["entry"]) for row in rows]


def test_deposit_is_made_once_shown_and_reversed(company: ClosedAprilCompany, terminal: Terminal) -> None:
    entries = to_deposit(company, terminal)
    place = ("--clinic", company.id, "--method", "check", "--bank-account", "First Bank", "--request-key", "one")

    made = terminal.run("deposits", "make", *entries, *place, "--day", "2020-06-02").out
    again = terminal.run("deposits", "make", *entries, *place, "--day", "2020-06-02").out
    (row,) = terminal.run("deposits", "list", "--clinic", company.id, "--format", "json").rows
    number = str(row["id"])

    assert made == f"Deposit {number} of 2020-06-02: 2 entries, 70.00 to First Bank.\n"
    assert again == f"Deposit {number} was made before; nothing was changed.\n"
    assert (row["total"], row["count"], row["method"]) == ("70.00", 2, "Check")
    assert to_deposit(company, terminal) == []
    slip = terminal.run("deposits", "show", number, "--format", "json").rows
    assert [each["reference"] for each in slip["entries"]] == ["1021", "1022"]
    assert "1022" in terminal.run("deposits", "show", number).out
    reverse = ("deposits", "reverse", number, "--reason", "another bank")
    assert terminal.run(*reverse, "--dry-run").out.endswith("Nothing was changed.\n")
    assert to_deposit(company, terminal) == []
    assert terminal.run(*reverse).out.endswith("2 entries can be deposited again.\n")
    assert terminal.run(*reverse).out.endswith("nothing was changed.\n")
    assert to_deposit(company, terminal) == entries


def test_refused_deposit_says_why(company: ClosedAprilCompany, terminal: Terminal) -> None:
    place = ("--clinic", company.id, "--bank-account", "First Bank")

    refused = terminal.run("deposits", "make", *to_deposit(company, terminal), *place, "--method", "Cash")

    assert refused.status == 1
    assert "cannot be deposited: it has another clinic or method, or is on a deposit" in refused.err
