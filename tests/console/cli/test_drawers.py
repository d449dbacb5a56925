"""`payments drawers open`, `count`, `close`, `list` and `show`."""

import pytest

from payments.store.db.connection import Database, transaction
from payments.store.db.statement import text
from tests.builders.events import paid, saved_payment
from tests.console.cli.closed_april_company import ClosedAprilCompany
from tests.console.conftest import Terminal

DAY = "2020-06-01"


@pytest.fixture
def company(terminal: Terminal, ledger_database: Database) -> ClosedAprilCompany:
    """A company that took 40.00 in cash and a check of 30.00 on a day."""
    company = ClosedAprilCompany(terminal, ledger_database)
    company.publish(
        saved_payment(**company.ids | {"payment_id": "cash"}, method="Cash", **paid("40.00", DAY)),
        saved_payment(**company.ids | {"payment_id": "check"}, method="Check", reference="1021", **paid("30.00", DAY)),
    )
    return company


def open_drawer(company: ClosedAprilCompany, terminal: Terminal) -> str:
    done = terminal.run("drawers", "open", company.id, "--day", DAY, "--starting-cash", "0.25").out
    (row,) = terminal.run("drawers", "list", "--clinic", company.id, "--format", "json").rows
    number = str(row["id"])
    assert done == f"Drawer {number} of clinic {company.id} opened: {DAY}, shift 1, 0.25 starting cash.\n"
    assert (row["state"], row["expected"], row["counted"]) == ("open", None, None)
    return number


def test_drawer_is_opened_counted_and_shown(company: ClosedAprilCompany, terminal: Terminal) -> None:
    number = open_drawer(company, terminal)

    again = terminal.run("drawers", "open", company.id, "--day", DAY).out
    short = terminal.run("drawers", "count", number, "--cash", "1x20.00,3x5.00", "--check", "30.00").out
    counted = terminal.run("drawers", "count", number, "--cash", "2x20.00,1x0.25", "--check", "30.00").out

    assert again == f"Drawer {number} was open before; nothing was changed.\n"
    assert short == f"Drawer {number} counted: 5.25 short. Count again, or state the reason.\n"
    assert counted == f"Drawer {number} counted: no difference in total. Another person can close it.\n"
    sheet = terminal.run("drawers", "show", number, "--format", "json").rows
    assert (sheet["state"], sheet["expected"], sheet["counted"]) == ("balanced", "70.25", "70.25")
    assert [(each["method"], each["expected"]) for each in sheet["methods"][:2]] == [
        ("Cash", "40.25"),
        ("Check", "30.00"),
    ]
    assert [(each["method"], each["reference"]) for each in sheet["payments"]] == [("Cash", None), ("Check", "1021")]
    assert "1021" in terminal.run("drawers", "show", number).out


def test_drawer_is_closed_by_another_user(
    company: ClosedAprilCompany, terminal: Terminal, ledger_database: Database
) -> None:
    number = open_drawer(company, terminal)
    terminal.run("drawers", "count", number, "--reason", "all of it is in the safe")

    refused = terminal.run("drawers", "close", number)
    assert (refused.status, "another person has to close it" in refused.err) == (1, True)
    other = terminal.run("drawers", "open", company.id, "--day", DAY).out.split()[1]
    with transaction(ledger_database) as tx:
        tx.execute(text(f"UPDATE drawers SET locked_at = now(), locked_by = 'user:desk' WHERE id = {int(other)}"))
        tx.execute(
            text(
                "INSERT INTO drawer_counts (company_id, drawer_ref, cash, others, reason, counted_at, counted_by) "
                "SELECT company_id, id, '{}', '{}', 'empty', now(), 'user:desk' FROM drawers "
                f"WHERE id = {int(other)}"
            )
        )
    assert terminal.run("drawers", "close", other).out == f"Drawer {other} closed: 0.25 short.\n"


@pytest.mark.parametrize("pieces", ["3x19.00", "20.00", "x20.00", "-1x20.00", "3x20.00;1x5.00"])
def test_cash_in_another_form_is_refused(company: ClosedAprilCompany, terminal: Terminal, pieces: str) -> None:
    refused = terminal.run("drawers", "count", open_drawer(company, terminal), "--cash", pieces)

    assert refused.status == 2
    assert "is not NUMBERxVALUE" in refused.err
