"""`payments entries add`, `list`, `reverse`, `link` and `unlink`."""

from datetime import UTC, datetime

import pytest

from payments.store.db.connection import Database
from tests.builders.events import paid, saved_payment
from tests.console.cli.closed_april_company import ClosedAprilCompany
from tests.console.conftest import Terminal

TODAY = str(datetime.now(UTC).date())
TEN = ("--amount", "10.00", "--kind", "payment", "--method", "Cash")


@pytest.fixture
def company(terminal: Terminal, ledger_database: Database) -> ClosedAprilCompany:
    """A company whose payment of the closed April was raised by 10.00."""
    company = ClosedAprilCompany(terminal, ledger_database)
    company.publish(saved_payment(version=2, **paid("35.00", "2020-04-08"), **company.ids))
    return company


def entries(company: ClosedAprilCompany, terminal: Terminal) -> list[dict[str, object]]:
    return terminal.run("entries", "list", "--patient", "ada", "--company", company.id, "--format", "json").rows


def test_entry_is_posted_once_listed_and_reversed(company: ClosedAprilCompany, terminal: Terminal) -> None:
    place = ("--company", company.id, "--patient", "ada", "--request-key", "one", "--reference", "1021")

    done, again = terminal.run("entries", "add", *place, *TEN).out, terminal.run("entries", "add", *place, *TEN).out
    (row,) = entries(company, terminal)
    number = str(row["id"])

    assert done == f"Entry {number} of patient ada: posted 10.00 Cash with deposit date {TODAY}.\n"
    assert again == f"Entry {number} was posted before; nothing was posted.\n"
    assert (row["purpose"], row["amount"], row["reference"], row["payment"]) == ("payment", "10.00", "1021", None)
    assert str(row["user"]).startswith("cli:")
    reverse = ("entries", "reverse", number, "--reason", "typed twice")
    assert terminal.run(*reverse, "--dry-run").out.endswith("Nothing was changed.\n")
    assert len(entries(company, terminal)) == 1
    assert terminal.run(*reverse).out.endswith(f"posted -10.00 Cash with deposit date {TODAY}.\n")
    assert terminal.run(*reverse).out.endswith("nothing was changed.\n")
    reversal, first = entries(company, terminal)
    assert (reversal["reverses"], first["reversed_by"], reversal["reason"]) == (
        first["id"],
        reversal["id"],
        "typed twice",
    )


def test_entry_for_an_exception_closes_it_until_it_is_unlinked(company: ClosedAprilCompany, terminal: Terminal) -> None:
    exception_id = company.exception_id()

    terminal.run("entries", "add", "--exception", exception_id, *TEN)

    (row,) = entries(company, terminal)
    assert (row["charge_type"], row["payment"]) == ("Copay", f"{company.id}/payment/1")
    assert company.exceptions() == []
    number = str(row["id"])
    unlinked = terminal.run("entries", "unlink", number, "--reason", "another visit").out
    assert unlinked == f"Entry {number} unlinked from {company.id}/payment/1. Remaining difference: 10.00.\n"
    (found,) = company.exceptions()
    linked = terminal.run("entries", "link", number, "--exception", str(found["id"])).out
    assert linked == f"Entry {number} linked to {company.id}/payment/1. No difference remains.\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--deposit-date", "2020-04-20"), "that month is closed, as is every month up to 2020-04"),
        (("--kind", "adjustment"), "an adjustment or error correction needs a reason"),
        (("--patient", "nobody"), "there is no patient nobody"),
        (("--clinic", "nowhere"), "there is no clinic nowhere"),
    ],
)
def test_refused_entry_says_why(
    company: ClosedAprilCompany, terminal: Terminal, arguments: tuple[str, str], problem: str
) -> None:
    given = {"--company": company.id, "--patient": "ada", "--amount": "10.00", "--kind": "payment"} | dict([arguments])

    refused = terminal.run("entries", "add", *(part for option in given.items() for part in option))

    assert refused.status == 1
    assert problem in refused.err
