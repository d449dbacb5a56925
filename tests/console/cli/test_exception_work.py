"""`payments exceptions show`, `assign`, `next`, `note` and `undo`, and `payments notes`."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import text

from console.cli.session import current_user
from payments.access import users
from payments.access.rights import Role, User
from payments.store.db.connection import Database, transaction
from tests.builders.events import deleted_payment, paid, saved_payment
from tests.console.cli.closed_april_company import ClosedAprilCompany
from tests.console.cli.conftest import Answer
from tests.console.conftest import Terminal

TODAY = str(datetime.now(UTC).date())


@pytest.fixture
def company(terminal: Terminal, ledger_database: Database) -> ClosedAprilCompany:
    """A company with a closed April. Later its payment of April was raised by 10.00."""
    company = ClosedAprilCompany(terminal, ledger_database)
    company.publish(saved_payment(version=2, **paid("35.00", "2020-04-08"), **company.ids))
    return company


@pytest.fixture
def biller(ledger_database: Database) -> str:
    """The name of a new biller."""
    name = f"biller-{uuid4()}"
    with transaction(ledger_database) as tx:
        users.add(tx, User(name, Role.BILLING), "not a hash", datetime.now(UTC), "user:admin")
    return name


def test_undo_reverses_the_entries_and_opens_the_exception(company: ClosedAprilCompany, terminal: Terminal) -> None:
    exception_id = company.exception_id()
    terminal.run("exceptions", "accept", exception_id)

    preview = terminal.run("exceptions", "undo", exception_id, "--reason", "wrong one", "--dry-run").out
    assert preview.startswith(
        f"Exception {exception_id} of {company.id}/payment/1 would be opened again, and -$10.00 Cash posted"
    )
    assert len(company.ledger_entries()) == 2
    done = terminal.run("exceptions", "undo", exception_id, "--reason", "wrong one").out
    again = terminal.run("exceptions", "undo", exception_id, "--reason", "wrong one").out

    assert done.endswith(f"is open again, and -$10.00 Cash posted with deposit date {TODAY}.\n")
    assert again.endswith("was undone before; nothing was changed.\n")
    assert min(company.ledger_entries()) == ("-10.00", "Cash", TODAY)
    assert [row["status"] for row in company.exceptions("--status", "all")] == ["open"]


def test_payment_log_names_the_reversed_entry_and_the_reason(company: ClosedAprilCompany, terminal: Terminal) -> None:
    exception_id = company.exception_id()
    terminal.run("exceptions", "accept", exception_id)
    terminal.run("exceptions", "undo", exception_id, "--reason", "wrong one")

    log = terminal.run("report", "payment-log", "--company", company.id, "--format", "json").rows
    imported, adjusted, reversal = sorted(log, key=lambda row: row["entry"])

    assert [row["amount"] for row in (imported, adjusted, reversal)] == ["25.00", "10.00", "-10.00"]
    assert (reversal["reverses"], reversal["reason"]) == (adjusted["entry"], "wrong one")
    assert {(row["reverses"], row["reason"]) for row in (imported, adjusted)} == {(None, None)}


def test_undo_asks_whether_the_exception_is_to_be_opened_again(
    company: ClosedAprilCompany, terminal: Terminal, type_answer: Answer
) -> None:
    exception_id = company.exception_id()
    terminal.run("exceptions", "accept", exception_id, "--yes")
    type_answer("n\n")

    result = terminal.run("exceptions", "undo", exception_id, "--reason", "wrong one")

    opened = f"Exception {exception_id} of {company.id}/payment/1 would be opened again, and -$10.00 Cash posted"
    assert result.err.startswith(opened)
    assert " Undo? [y/N] " in result.err
    assert company.exceptions() == []


def test_show_prints_the_whole_history_of_an_exception(
    company: ClosedAprilCompany, terminal: Terminal, biller: str
) -> None:
    exception_id = company.exception_id()
    terminal.run("exceptions", "assign", exception_id, "--to", biller)
    terminal.run("exceptions", "note", exception_id, "--text", "Called the clinic.")
    terminal.run("exceptions", "accept", exception_id)
    terminal.run("exceptions", "undo", exception_id, "--reason", "wrong one")
    terminal.run("exceptions", "acknowledge", exception_id, "--reason", "agreed with ada")

    (shown,) = terminal.run("exceptions", "show", exception_id, "--format", "json").rows

    assert (shown["status"], shown["owner"]) == ("acknowledged", biller)
    assert [event["what"] for event in shown["events"]] == [
        *("Exception opened", "Exception assigned", "Exception accepted", "Acceptance undone"),
        "Exception acknowledged",
    ]
    assert shown["events"][3]["detail"] == f"-10.00 Cash, deposit date {TODAY}. Reason: wrong one"
    assert shown["events"][4]["detail"] == "agreed with ada"
    accepted, reversal = shown["entries"]
    assert (reversal["amount"], reversal["reverses"], reversal["reason"]) == ("-10.00", accepted["id"], "wrong one")
    assert [note["body"] for note in shown["notes"]] == ["Called the clinic."]
    table = terminal.run("exceptions", "show", exception_id).out
    assert all(text in table for text in ("History", "Entries", "Notes", "Called the clinic."))


def test_next_assigns_an_exception_to_a_user_once(company: ClosedAprilCompany, terminal: Terminal, biller: str) -> None:
    options = ("exceptions", "next", "--to", biller, "--company", company.id, "--format", "json")

    (row,) = terminal.run(*options).rows

    assert (str(row["id"]), row["owner"]) == (company.exception_id(), biller)
    assert terminal.run(*options).rows == []
    assert [each["id"] for each in company.exceptions("--owner", biller)] == [row["id"]]
    assert company.exceptions("--work", "unassigned") == []
    terminal.run("exceptions", "assign", str(row["id"]), "--nobody")
    assert [each["id"] for each in company.exceptions("--work", "unassigned", "--queue", "to-post")] == [row["id"]]
    assert company.exceptions("--queue", "nothing-to-post") == []
    assert company.exceptions("--work", "overdue") == []


def test_every_action_on_an_exception_is_audited_once(
    company: ClosedAprilCompany, terminal: Terminal, biller: str, ledger_database: Database
) -> None:
    exception_id, payment = company.exception_id(), f"{company.id}/payment/1"
    of_company = ("--company", company.id)
    terminal.run("exceptions", "accept", "--all", *of_company, "--dry-run")
    terminal.run("exceptions", "undo", exception_id, "--reason", "a preview", "--dry-run")
    terminal.run("exceptions", "next", "--to", biller, *of_company)
    terminal.run("exceptions", "assign", exception_id, "--nobody")
    terminal.run("exceptions", "accept", exception_id)
    terminal.run("exceptions", "undo", exception_id, "--reason", "wrong one")
    terminal.run("exceptions", "acknowledge", exception_id, "--reason", "agreed", "--dry-run")
    terminal.run("exceptions", "acknowledge", exception_id, "--reason", "agreed")

    with transaction(ledger_database) as tx:
        query = "SELECT action, detail, subject, who FROM audit WHERE company_id = :id AND action LIKE '%exception' "
        found = tx.execute(text(query + "ORDER BY id"), {"id": company.id}).all()
    subject, day = f"Exception {exception_id} of {payment}", f"with deposit date {TODAY}."
    assert [(action, detail) for action, detail, *_ in found] == [
        ("assigned exception", f"to {biller}"),
        ("assigned exception", "to nobody"),
        ("accepted exception", f"{subject} accepted: posted $10.00 Cash {day}"),
        ("undid exception", f"{subject} is open again, and -$10.00 Cash posted {day} Reason: wrong one"),
        ("acknowledged exception", "agreed"),
    ]
    assert {(subject, who) for *_, subject, who in found} == {(payment, current_user())}


def test_assignment_changes_all_exceptions_or_none(
    company: ClosedAprilCompany, terminal: Terminal, biller: str
) -> None:
    exception_id = company.exception_id()

    refused = terminal.run("exceptions", "assign", exception_id, "999999999", "--to", biller)

    assert "exception 999999999: there is no exception with this number" in refused.err
    assert [row["owner"] for row in company.exceptions()] == [None]
    for arguments in ((), ("--to", biller, "--nobody")):
        refused = terminal.run("exceptions", "assign", exception_id, *arguments)
        assert "name the user with --to, or choose --nobody" in refused.err
    mine = terminal.run("report", "exceptions", "--work", "mine")
    assert "unknown work 'mine'; choose from: unassigned, overdue" in mine.err


def test_notes_on_payments_and_accounts_are_listed(company: ClosedAprilCompany, terminal: Terminal) -> None:
    payment = f"{company.id}/payment/1"
    of_account = ("--patient", "ada", "--company", company.id)
    terminal.run("notes", "add", "--payment", payment, "--text", "check bounced")
    terminal.run("notes", "add", *of_account, "--text", "moved to Boise")

    def listed_notes(*about: str) -> list[str]:
        return [row["body"] for row in terminal.run("notes", "list", *about, "--format", "json").rows]

    assert listed_notes("--payment", payment) == ["check bounced"]
    assert listed_notes(*of_account) == ["moved to Boise"]
    assert "the note is empty" in terminal.run("notes", "add", *of_account, "--text", " ").err
    assert "there is no payment no/such/1" in terminal.run("notes", "add", "--payment", "no/such/1", "--text", "x").err
    assert "name either a --payment or a --patient" in terminal.run("notes", "list").err


def test_notes_are_in_the_audit_history_without_their_text(
    company: ClosedAprilCompany, terminal: Terminal, ledger_database: Database
) -> None:
    payment, exception_id = f"{company.id}/payment/1", company.exception_id()
    terminal.run("exceptions", "note", exception_id, "--text", "a secret")
    terminal.run("notes", "add", "--payment", payment, "--text", "a secret")
    terminal.run("notes", "add", "--patient", "ada", "--company", company.id, "--text", "a secret")
    terminal.run("notes", "add", "--payment", payment, "--text", " ")

    with transaction(ledger_database) as tx:
        query = text("SELECT subject, detail, who, address FROM audit WHERE company_id = :id AND action = 'added note'")
        found = tx.execute(query, {"id": company.id}).all()
    who = current_user()
    assert sorted(map(tuple, found)) == sorted(
        [(payment, f"exception {exception_id}", who, ""), (payment, "", who, ""), ("ada", "", who, "")]
    )


def test_exception_of_a_deleted_payment_is_undone_with_a_chosen_date(
    company: ClosedAprilCompany, terminal: Terminal
) -> None:
    company.publish(deleted_payment(version=3, **company.ids))
    exception_id = company.exception_id()
    terminal.run("exceptions", "accept", exception_id)

    terminal.run("exceptions", "undo", exception_id, "--reason", "still valid", "--deposit-date", "2020-05-02")

    assert ("25.00", "Cash", "2020-05-02") in company.ledger_entries()
