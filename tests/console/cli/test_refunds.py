"""`payments refunds request`, `approve`, `issue`, `void` and `list`."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from payments.store.db.connection import Database, transaction
from tests.console.cli.closed_april_company import ClosedAprilCompany
from tests.console.conftest import Terminal

TODAY = str(datetime.now(UTC).date())


@pytest.fixture
def company(terminal: Terminal, ledger_database: Database) -> ClosedAprilCompany:
    """A company with a payment of 25.00, whose refunds up to 10.00 need no approval."""
    company = ClosedAprilCompany(terminal, ledger_database)
    set_limit = terminal.run("company", "set", company.id, "--refund-limit", "10.00").out
    assert set_limit.endswith("refunds above 10.00 need an approval.\n")
    return company


def refunds(company: ClosedAprilCompany, terminal: Terminal, *more: str) -> list[dict[str, object]]:
    return terminal.run("refunds", "list", "--company", company.id, *more, "--format", "json").rows


def request(company: ClosedAprilCompany, terminal: Terminal, amount: str, *more: str) -> str:
    payment = ("--payment", f"{company.id}/payment/1", "--reason", "paid twice")
    return terminal.run("refunds", "request", *payment, "--amount", amount, *more).out


def test_refund_is_requested_issued_and_voided(company: ClosedAprilCompany, terminal: Terminal) -> None:
    first, again = (request(company, terminal, "10.00", "--request-key", "one") for _ in range(2))
    (row,) = refunds(company, terminal, "--status", "requested")
    number = str(row["id"])

    assert first == f"Refund {number} requested: 10.00 of patient ada.\n"
    assert again == f"Refund {number} was requested before; nothing was changed.\n"
    assert (row["payment"], row["amount"], row["status"]) == (f"{company.id}/payment/1", "10.00", "requested")
    issued = terminal.run("refunds", "issue", number, "--reference", "check 9").out
    assert issued.startswith(f"Refund {number} issued: posted -10.00 ")
    void = ("refunds", "void", number, "--reason", "never cashed")
    assert terminal.run(*void, "--dry-run").out.endswith("Nothing was changed.\n")
    assert terminal.run(*void).out.endswith("was reversed.\n")
    assert terminal.run(*void).out.endswith("nothing was changed.\n")
    (row,) = refunds(company, terminal)
    assert (row["status"], row["reference"], row["deposit_date"], row["void_reason"]) == (
        "voided",
        "check 9",
        TODAY,
        "never cashed",
    )


def test_refund_above_the_limit_waits_for_another_person(
    company: ClosedAprilCompany, terminal: Terminal, ledger_database: Database
) -> None:
    request(company, terminal, "20.00")
    (row,) = refunds(company, terminal)
    number = str(row["id"])

    own = terminal.run("refunds", "approve", number)
    early = terminal.run("refunds", "issue", number, "--reference", "check 9")
    assert (own.status, "nobody approves their own request" in own.err) == (1, True)
    assert (early.status, "refunds above 10.00 need the approval of another person" in early.err) == (1, True)
    with transaction(ledger_database) as tx:
        approved = "UPDATE repayments SET approved_at = now(), approved_by = 'user:ann' WHERE id = :id"
        tx.execute(text(approved), {"id": row["id"]})
    assert terminal.run("refunds", "issue", number, "--reference", "check 9").status == 0


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (("--amount", "25.01"), "at most 25.00 of the payment can be paid back; 25.01 is more"),
        (("--kind", "bounced-check"), "only a payment by check can bounce"),
        (("--payment", "nowhere/payment/1"), "there is no payment nowhere/payment/1"),
        (("--fee", "1.00"), "a fee belongs to a bounced check or a chargeback"),
    ],
)
def test_refused_refund_says_why(
    company: ClosedAprilCompany, terminal: Terminal, more: tuple[str, str], problem: str
) -> None:
    given = {"--payment": f"{company.id}/payment/1", "--amount": "10.00", "--reason": "r"} | dict([more])

    refused = terminal.run("refunds", "request", *(part for option in given.items() for part in option))

    assert refused.status == 1
    assert problem in refused.err
