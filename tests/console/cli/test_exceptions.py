"""`payments report exceptions`, `payments exceptions accept` and `payments exceptions acknowledge`."""

import csv
from datetime import UTC, date, datetime, timedelta

import pytest

from payments.store.db.connection import Database
from tests.builders.events import deleted_payment, paid, saved_payment
from tests.console.cli.closed_april_company import ClosedAprilCompany
from tests.console.conftest import Terminal

DOCUMENTED_KEYS = (
    "id type reason case payment patient amount_before amount_now difference transaction_date status proposal".split()
)
OTHER_KEYS = (
    "company clinic charge_type method version note opened_at ended_at ended_by patient_name owner due_on".split()
)
CLOSED_MONTH_REASON = "Payment added/edited/deleted when month is closed"
TODAY = datetime.now(UTC).date()


@pytest.fixture
def company(terminal: Terminal, ledger_database: Database) -> ClosedAprilCompany:
    return ClosedAprilCompany(terminal, ledger_database)


def test_exceptions_json_has_documented_keys_first(company: ClosedAprilCompany) -> None:
    company.publish(saved_payment(version=2, **paid("35.00", "2020-04-08", method="Check"), **company.ids))

    (row,) = company.exceptions()

    assert list(row) == [*DOCUMENTED_KEYS, *OTHER_KEYS]
    assert [row[key] for key in DOCUMENTED_KEYS if key != "id"] == [
        *("Payment", CLOSED_MONTH_REASON, "edited", f"{company.id}/payment/1", "ada", "25.00", "35.00", "10.00"),
        *("2020-04-08", "open"),
        [
            {"amount": "-25.00", "method": "Cash", "charge_type": "Copay"},
            {"amount": "35.00", "method": "Check", "charge_type": "Copay"},
        ],
    ]


def test_exceptions_report_shows_open_or_all(company: ClosedAprilCompany) -> None:
    company.publish(saved_payment(version=2, **paid("35.00", "2020-04-08"), **company.ids))
    company.publish(saved_payment(version=3, **paid("25.00", "2020-04-08"), **company.ids))
    company.publish(deleted_payment(version=4, **company.ids))

    assert [row["status"] for row in company.exceptions()] == ["open"]
    ended = [(row["case"], row["status"], row["ended_by"]) for row in company.exceptions("--status", "all")]
    assert ended == [("edited", "auto_closed", "Exception check"), ("deleted", "open", None)]


def test_exceptions_table_fits_the_screen_with_proposals(
    company: ClosedAprilCompany, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.publish(
        deleted_payment(version=2, **company.ids), saved_payment(**paid("1025.00", "2020-04-09"), **company.other_ids)
    )
    numbers = [f" {row['id']} " for row in company.exceptions()]
    for width in (80, 120, 160):
        monkeypatch.setenv("COLUMNS", str(width))
        shown = terminal.run("report", "exceptions", "--limit", "0").out
        assert max(map(len, shown.splitlines())) <= width
        assert all(each in shown for each in ("-25.00 Cash", "1,025.00 Cash", "Payment deleted", "Payment added"))
        assert all(exception_id in shown for exception_id in numbers)


def test_exceptions_csv_has_one_line_each_and_no_formulas(company: ClosedAprilCompany, terminal: Terminal) -> None:
    company.publish(deleted_payment(version=2, **company.ids))

    lines = terminal.run("report", "exceptions", "--format", "csv").out.splitlines()
    (row,) = (row for row in csv.DictReader(lines) if row["company"] == company.id)
    assert lines[0].split(",") == [*DOCUMENTED_KEYS, *OTHER_KEYS]
    assert (row["difference"], row["proposal"], row["ended_by"]) == ("-25.00", "'-25.00 Cash Copay", "")


def test_accept_posts_the_proposal_once(company: ClosedAprilCompany, terminal: Terminal) -> None:
    company.publish(deleted_payment(version=2, **company.ids))
    exception_id, payment = company.exception_id(), f"{company.id}/payment/1"

    first, second = (terminal.run("exceptions", "accept", exception_id) for _ in range(2))

    posted = f"Exception {exception_id} of {payment} accepted: posted -$25.00 Cash with deposit date {TODAY}.\n"
    assert (first.status, first.out) == (0, posted)
    assert (second.status, second.out) == (
        0,
        f"Exception {exception_id} of {payment} was accepted before; nothing was posted.\n",
    )
    assert company.ledger_entries() == [("25.00", "Cash", "2020-04-08"), ("-25.00", "Cash", str(TODAY))]


def test_accept_continues_after_a_failed_exception(company: ClosedAprilCompany, terminal: Terminal) -> None:
    company.publish(deleted_payment(version=2, **company.ids))
    exception_id = company.exception_id()

    result = terminal.run("exceptions", "accept", "999999999", exception_id, exception_id)

    assert result.status == 1
    assert result.err == "payments: exception 999999999: there is no exception with this number\n"
    assert result.out.count("posted -$25.00 Cash") == 1


def test_accept_uses_the_given_deposit_date(company: ClosedAprilCompany, terminal: Terminal) -> None:
    company.publish(deleted_payment(version=2, **company.ids))

    result = terminal.run("exceptions", "accept", company.exception_id(), "--deposit-date", "2020-05-04")

    assert result.status == 0
    assert company.ledger_entries()[-1] == ("-25.00", "Cash", "2020-05-04")


@pytest.mark.parametrize(
    ("day", "problem"),
    [
        (date(2020, 4, 30), "that month is closed, as is every month up to 2020-04; choose a date in an open month"),
        (TODAY + timedelta(days=2), "is in the future; today is"),
    ],
)
def test_accept_refuses_closed_or_future_deposit_dates(
    company: ClosedAprilCompany, terminal: Terminal, day: date, problem: str
) -> None:
    company.publish(deleted_payment(version=2, **company.ids))

    result = terminal.run("exceptions", "accept", company.exception_id(), "--deposit-date", str(day))

    assert (result.status, result.out, result.err.count("\n")) == (1, "", 1)
    assert f"deposit date {day}" in result.err
    assert problem in result.err
    assert len(company.ledger_entries()) == 1


def test_accept_all_is_limited_to_the_company(
    company: ClosedAprilCompany, terminal: Terminal, ledger_database: Database
) -> None:
    elsewhere = ClosedAprilCompany(terminal, ledger_database)
    for each in (company, elsewhere):
        each.publish(
            deleted_payment(version=2, **each.ids), saved_payment(**paid("5.00", "2020-04-30"), **each.other_ids)
        )

    result = terminal.run("exceptions", "accept", "--all", "--company", company.id)

    assert (result.status, result.out.splitlines()[-1]) == (0, "2 of 2 exceptions accepted")
    assert company.exceptions() == []
    assert len(elsewhere.exceptions()) == 2
    assert terminal.run("exceptions", "accept", "--all", "--company", company.id).out.startswith("0 of 0")


def test_accept_dry_run_changes_nothing(company: ClosedAprilCompany, terminal: Terminal) -> None:
    company.publish(deleted_payment(version=2, **company.ids))
    found, exception_id = company.exceptions(), company.exception_id()

    result = terminal.run("exceptions", "accept", "--all", "--company", company.id, "--dry-run")

    expected = f"would be accepted: would post -$25.00 Cash with deposit date {TODAY}."
    assert result.out.splitlines() == [
        f"Exception {exception_id} of {company.id}/payment/1 {expected}",
        "1 of 1 exception would be accepted; the sum of the entries is -25.00. Nothing was changed.",
    ]
    assert (company.exceptions(), len(company.ledger_entries())) == (found, 1)


def test_accept_dry_run_of_an_exception_without_entries_has_nothing_to_post(
    company: ClosedAprilCompany, terminal: Terminal
) -> None:
    company.publish(saved_payment(version=2, **paid("25.00", "2020-04-08"), **company.ids | {"memo": "new"}))
    subject = f"Exception {company.exception_id()} of {company.id}/payment/1"

    result = terminal.run("exceptions", "accept", company.exception_id(), "--dry-run")

    assert result.out.startswith(f"{subject} would be accepted; nothing to post.\n")


@pytest.mark.parametrize("line", ["accept", "accept 1 --all", "accept 1 --company x"])
def test_accept_refuses_ids_together_with_all(terminal: Terminal, line: str) -> None:
    result = terminal.run("exceptions", *line.split())

    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)


def test_accept_refuses_a_payment_saved_again(company: ClosedAprilCompany, terminal: Terminal) -> None:
    company.publish(saved_payment(version=2, **paid("35.00", "2020-04-08"), **company.ids))
    exception_id = company.exception_id()
    company.import_events(saved_payment(version=3, **paid("45.00", "2020-04-08"), **company.ids))

    result = terminal.run("exceptions", "accept", exception_id)

    again = "was saved again (version 3); look at the exception again"
    assert (result.status, result.err) == (1, f"payments: exception {exception_id}: {company.id}/payment/1 {again}\n")
    assert len(company.ledger_entries()) == 1


def test_acknowledge_posts_nothing_and_records_user_and_reason(company: ClosedAprilCompany, terminal: Terminal) -> None:
    company.publish(deleted_payment(version=2, **company.ids))
    exception_id = company.exception_id()

    result = terminal.run("exceptions", "acknowledge", exception_id, "--reason", "agreed with the patient")

    assert (result.status, result.out.endswith("acknowledged; nothing was posted.\n")) == (0, True)
    assert len(company.ledger_entries()) == 1
    (row,) = company.exceptions("--status", "all")
    assert (row["status"], str(row["ended_by"])[:4]) == ("acknowledged", "cli:")
    last = terminal.run("timeline", f"{company.id}/payment/1", "--format", "json").rows[-1]
    assert (last["what"], last["detail"], last["who"]) == (
        "Exception acknowledged",
        "agreed with the patient",
        row["ended_by"],
    )
    assert "it was already acknowledged" in terminal.run("exceptions", "accept", exception_id).err


@pytest.mark.parametrize(("reason", "status"), [((), 2), (("--reason", "  "), 1)], ids=["left out", "blank"])
def test_acknowledge_requires_a_reason(
    company: ClosedAprilCompany, terminal: Terminal, reason: tuple[str, ...], status: int
) -> None:
    company.publish(deleted_payment(version=2, **company.ids))

    result = terminal.run("exceptions", "acknowledge", company.exception_id(), *reason)

    assert (result.status, result.out, result.err.count("\n")) == (status, "", 1)
    assert len(company.exceptions()) == 1


def test_timeline_shows_the_exception(company: ClosedAprilCompany, terminal: Terminal) -> None:
    after = company.ids | {"saved_at": datetime.now(UTC).isoformat()}
    company.publish(saved_payment(version=2, **paid("35.00", "2020-04-08"), **after))
    company.publish(saved_payment(version=3, **paid("45.00", "2020-04-08"), **after))
    terminal.run("exceptions", "accept", company.exception_id())

    steps = terminal.run("timeline", f"{company.id}/payment/1", "--format", "json").rows

    result = [step for step in steps if step["what"].startswith("Exception")]
    assert [step["what"] for step in result] == ["Exception opened", "Exception updated", "Exception accepted"]
    assert result[0]["detail"] == f"{CLOSED_MONTH_REASON} (edited). Billing: 25.00, EMR: 35.00"
    assert (result[2]["detail"], result[2]["who"][:4]) == (f"20.00 Cash, deposit date {TODAY}", "cli:")
    assert all(datetime.fromisoformat(step["at"]).date() == TODAY for step in result)
