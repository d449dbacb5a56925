"""`payments months` and `payments company set`."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from payments.core.line import IMPORT_USER
from payments.core.month import Month
from payments.store.db.connection import Database, transaction
from tests.builders.committed import Company
from tests.builders.events import paid, saved_patient, saved_payment
from tests.console.conftest import Terminal

DOCUMENTED_KEYS = "company month state closed_at payments_total".split()
THIS_MONTH = Month.of(datetime.now(UTC).date())

CreateCompanyFunction = Callable[..., str]


@pytest.fixture
def create_company(ledger_database: Database) -> CreateCompanyFunction:
    """Return a function that creates a company with Copays, and returns its id.

    Each Copay is given as (amount, day).
    """

    def create(*copays: tuple[str, str], **more: str) -> str:
        company = Company(ledger_database, "patient")
        ids = company.ids | more
        events = [saved_payment(payment_id=f"p{number}", **ids, **paid(*each)) for number, each in enumerate(copays)]
        company.publish(saved_patient(company_id=company.id), *events)
        return company.id

    return create


def month_states(terminal: Terminal, company: str) -> dict[str, tuple[str, str]]:
    """Return the state and the payments total of each month of a company."""
    rows = terminal.run(*f"months list --company {company} --format json".split()).rows
    return {row["month"]: (row["state"], row["payments_total"]) for row in rows}


def error_of(terminal: Terminal, line: str, status: int = 1) -> str:
    """Run a command that must fail with a one-line error. Return the error."""
    result = terminal.run(*line.split())
    assert (result.status, result.out, result.err.count("\n")) == (status, "", 1)
    return result.err.removeprefix("payments: ").strip()


def test_months_json_has_documented_keys_first(terminal: Terminal, create_company: CreateCompanyFunction) -> None:
    company = create_company(("25.00", "2020-04-08"), ("1000.00", "2020-04-30"), ("7.00", "2020-05-01"))
    terminal.run("months", "close", company, "2020-04")

    rows = terminal.run(*f"months list --company {company} --format json".split()).rows

    assert [list(row)[: len(DOCUMENTED_KEYS)] for row in rows] == [DOCUMENTED_KEYS] * 2
    assert month_states(terminal, company) == {"2020-04": ("CLOSED", "1025.00"), "2020-05": ("OPEN", "7.00")}
    assert (datetime.fromisoformat(rows[0]["closed_at"]).utcoffset() is not None, rows[1]["closed_at"]) == (True, None)


def test_months_table_fits_the_screen(
    terminal: Terminal, create_company: CreateCompanyFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = create_company(("1025.00", "2020-04-08"))
    terminal.run("months", "close", company, "2020-04")

    for width in (80, 120, 160):
        monkeypatch.setenv("COLUMNS", str(width))
        shown = terminal.run("months", "list", "--company", company).out
        assert max(map(len, shown.splitlines())) <= width
        assert all(word in shown for word in ("2020-04", "CLOSED", "1,025.00", "1 month"))


def test_month_is_scheduled_and_cancelled(terminal: Terminal, create_company: CreateCompanyFunction) -> None:
    company = create_company(("25.00", "2020-04-08"))

    result = terminal.run("months", "schedule", company, "2020-04")

    assert result.out.startswith(f"{company} 2020-04 closes tonight")
    assert result.out.splitlines()[1:] == ["No open items in this month."]
    assert month_states(terminal, company)["2020-04"] == ("SCHEDULED", "25.00")
    assert (
        terminal.run("months", "cancel", company, "2020-04").out
        == f"Closing of {company} 2020-04 cancelled. The month is open.\n"
    )
    assert month_states(terminal, company)["2020-04"] == ("OPEN", "25.00")
    again = "2020-04: it is open; only a scheduled month can be cancelled"
    assert error_of(terminal, f"months cancel {company} 2020-04") == f"{company} {again}"


def test_schedule_lists_close_warnings_with_amounts(terminal: Terminal, create_company: CreateCompanyFunction) -> None:
    company = create_company(("1025.00", "2020-04-08"), ("7.00", "2020-05-08"), patient_id="nobody-knows")

    result = terminal.run("months", "schedule", company, "2020-04")

    assert "Resolve before closing" in result.out
    assert [word in result.out for word in (f"{company}/p0/1", "1,025.00", f"{company}/p1/1")] == [True, True, False]
    assert month_states(terminal, company)["2020-04"][0] == "SCHEDULED"


@pytest.mark.parametrize("command", ["schedule", "close"])
def test_close_dry_run_changes_nothing(terminal: Terminal, create_company: CreateCompanyFunction, command: str) -> None:
    company = create_company(("1025.00", "2020-04-08"))

    result = terminal.run("months", command, company, "2020-04", "--dry-run")

    assert result.out.splitlines() == [
        "Payments total to be closed: 1,025.00. Nothing was changed.",
        "No open items in this month.",
    ]
    assert month_states(terminal, company)["2020-04"] == ("OPEN", "1025.00")


def test_month_is_closed_once_and_verifies(terminal: Terminal, create_company: CreateCompanyFunction) -> None:
    company = create_company(("1025.00", "2020-04-08"))
    assert error_of(terminal, f"months verify {company} 2020-04") == f"{company} 2020-04: it is not closed"

    closed = f"{company} 2020-04 closed. Payments total: 1,025.00.\n"
    assert terminal.run("months", "close", company, "2020-04").out == closed
    holds = f"{company} 2020-04 matches its closing. Payments total: 1,025.00.\n"
    assert terminal.run("months", "verify", company, "2020-04").out == holds
    for command in ("close", "schedule", "close --dry-run"):
        result = error_of(terminal, f"months {command} {company} 2020-04")
        assert result == f"{company} 2020-04: it is closed already"


def test_months_show_prints_current_or_stored_totals(
    terminal: Terminal, create_company: CreateCompanyFunction, ledger_database: Database
) -> None:
    company = create_company(("25.00", "2020-04-08"), ("1000.00", "2020-04-09"))
    line = f"months show {company} 2020-04".split()
    row = {"method": "Cash", "charge_type": "Copay", "clinic": company, "user": IMPORT_USER, "count": 2}
    assert terminal.run(*line, "--format", "json").rows == [row | {"total": "1025.00"}]
    terminal.run("months", "close", company, "2020-04")
    with transaction(ledger_database) as tx:  # only the owner of the database can do this
        tx.exec_driver_sql("SET LOCAL session_replication_role = replica")
        tx.exec_driver_sql("UPDATE entries SET amount = 1 WHERE company_id = %s", (company,))

    assert terminal.run(*line, "--format", "json").rows == [row | {"total": "1025.00"}]
    assert "1,025.00" in terminal.run(*line).out
    assert terminal.run("months", "show", company, "2020-05").out == "The month has no payments.\n"


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("amount = 1026", "the payments total is 1,026.00 now and was 1,025.00 then"),
        ("method = 'Check'", "the total is unchanged, but amounts by method, charge type, clinic or user differ"),
    ],
)
def test_verify_of_a_changed_month_says_what_differs(
    terminal: Terminal, create_company: CreateCompanyFunction, ledger_database: Database, change: str, difference: str
) -> None:
    company = create_company(("1025.00", "2020-04-08"))
    terminal.run("months", "close", company, "2020-04")
    with transaction(ledger_database) as tx:  # only the owner of the database can do this
        tx.exec_driver_sql("SET LOCAL session_replication_role = replica")
        tx.exec_driver_sql(f"UPDATE entries SET {change} WHERE company_id = %s", (company,))

    result = error_of(terminal, f"months verify {company} 2020-04")

    assert result == f"{company} 2020-04 no longer matches its close: {difference}; call the operator"


@pytest.mark.parametrize("command", ["schedule", "close", "schedule --dry-run"])
def test_unfinished_month_cannot_be_closed(
    terminal: Terminal, create_company: CreateCompanyFunction, command: str
) -> None:
    company = create_company()

    result = error_of(terminal, f"months {command} {company} {THIS_MONTH}")

    assert result.startswith(f"{company} {THIS_MONTH}: it has not ended; today is {THIS_MONTH}")
    assert month_states(terminal, company) == {}


def test_earlier_months_with_entries_must_be_closed_first(
    terminal: Terminal, create_company: CreateCompanyFunction
) -> None:
    company = create_company(("25.00", "2020-02-08"), ("7.00", "2020-04-08"))

    result = error_of(terminal, f"months close {company} 2020-04")

    assert result == f"{company} 2020-04: close 2020-02 first"
    for month in ("2020-02", "2020-04"):  # March has no entries
        assert terminal.run("months", "close", company, month).status == 0
    assert month_states(terminal, company) == {"2020-02": ("CLOSED", "25.00"), "2020-04": ("CLOSED", "7.00")}


@pytest.mark.parametrize(
    ("command", "text"),
    [("schedule", "2020-13"), ("cancel", "2020"), ("close", "April"), ("verify", "2020-04-01"), ("close", "2020-4")],
)
def test_invalid_month_is_refused_with_the_expected_format(terminal: Terminal, command: str, text: str) -> None:
    result = error_of(terminal, f"months {command} acme {text}", status=2)

    assert f"month: expected YYYY-MM, e.g. 2026-10; got '{text}'" in result


def test_company_without_months_prints_a_sentence_or_an_empty_array(terminal: Terminal) -> None:
    assert month_states(terminal, "of-nowhere") == {}
    assert terminal.run("months", "list", "--company", "of-nowhere").out == "No months with payments yet.\n"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            "",
            "time zone UTC; payments go to other dates of service after 30 days; oldest balance first; adjustments",
        ),
        ("--hold-days 0", "after 0 days"),
        ("--dos-first on", "; own date of service first"),
        ("--dos-first off", "; oldest balance first"),
        ("--adjustments auto", "adjustments of closed months: auto"),
        ("--timezone America/Denver", "time zone America/Denver"),
    ],
)
def test_company_settings_are_set_and_printed(terminal: Terminal, options: str, expected: str) -> None:
    result = terminal.run("company", "set", f"s-{uuid4().hex[:8]}", *options.split())

    assert (result.status, result.err) == (0, "")
    assert expected in result.out


def test_omitted_company_settings_stay_unchanged(terminal: Terminal) -> None:
    line = "company set s-kept --hold-days 45 --dos-first on --adjustments auto --timezone America/Denver"
    result = terminal.run(*line.split()).out

    assert terminal.run("company", "set", "s-kept").out == result


@pytest.mark.parametrize(
    ("options", "status", "problem"),
    [
        ("--timezone Mars/Olympus", 1, "timezone: expected an IANA name, e.g. America/Denver; got 'Mars/Olympus'"),
        ("--timezone ../etc/passwd", 1, "timezone: expected an IANA name"),
        ("--hold-days -1", 2, "--hold-days"),
        ("--hold-days soon", 2, "--hold-days"),
        ("--adjustments maybe", 2, "--adjustments"),
        ("--dos-first perhaps", 2, "--dos-first"),
    ],
)
def test_invalid_company_setting_fails_with_one_line(
    terminal: Terminal, options: str, status: int, problem: str
) -> None:
    assert problem in error_of(terminal, f"company set s-refused {options}", status)
