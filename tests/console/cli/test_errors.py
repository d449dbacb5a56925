"""Errors of commands: one line on stderr, and exit status 1, or 2 for a usage error."""

from pathlib import Path

import pytest

from tests.console.conftest import UNREACHABLE_REDIS_URL, Terminal
from tests.engines import scratch_database

TYPE_CHOICES = "Copay, Deductible, Wellness, Supplies, Other, Coinsurance, Payment on Account"
REASON_CHOICES = (
    "type_not_selected, integration_off, internal_payment, retries_exhausted, patient_not_found, invalid_event, "
    "version_conflict, unknown_company, unknown_clinic"
)


def error_of(terminal: Terminal, line: str, status: int) -> str:
    result = terminal.run(*line.split())
    assert (result.status, result.out) == (status, "")
    assert result.err.startswith("payments: ")
    assert result.err.count("\n") == 1
    return result.err


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("settings set c --company x --types Copay,Tips", f"unknown charge type 'Tips'; choose from: {TYPE_CHOICES} "),
        ("settings set c --company x --integration yes", "'yes' is not one of 'on', 'off' "),
        ("settings set c", "Missing option '--company' (see payments settings set --help)"),
        (f"settings set {'c' * 65} --company x", "an id has 1 to 64 printable characters"),
        ("report claims-feed --status lost", "unknown status 'lost'; choose from: Transmission Pending, "),
        ("report claims-feed --format xml", "'xml' is not one of 'table', 'json', 'csv' "),
        ("report claims-feed --from 20261005", "'--from': '20261005' is not a date such as 2026-10-05"),
        ("report claims-feed --from 2026-W41-1", "'--from': '2026-W41-1' is not a date such as 2026-10-05"),
        (
            "report payment-log --as-of 20261102T090000Z",
            "'20261102T090000Z' is not a time such as 2026-11-02T09:00:00Z",
        ),
        ("distribute --as-of 20261005", "'--as-of': '20261005' is not a date such as 2026-10-05"),
        ("exceptions accept 17 --deposit-date 2026-W41-1", "'2026-W41-1' is not a date such as 2026-10-05"),
        ("report claims-feed --amount 25,00", "'--amount': '25,00' is not an amount such as 25.00"),
        ("report claims-feed --amount 4E1", "'--amount': '4E1' is not an amount such as 25.00"),
        ("exceptions accept 1_7", "'1_7' is not a number such as 17"),
        ("exceptions accept 17 018", "'018' is not a number such as 17"),
        ("exceptions acknowledge +17 --reason seen", "'+17' is not a number such as 17"),
        ("report claims-feed --to 2026-02-30", "'--to': '2026-02-30' is not a date such as 2026-10-05"),
        ("report payment-log --from 2026-10-05 --to 2026-10-04", "2026-10-04 is before --from 2026-10-05"),
        ("report payment-log --group-by colour", "choose from: charge_type, deposit_date, method, clinic, user "),
        ("requeue", "name payments by their keys, or choose them by --status"),
        ("requeue --reason invalid_event", "name payments by their keys, or choose them by --status"),
        ("requeue a/b/1 --status not-sent", "not both"),
        ("requeue --status not-sent --reason moon", f"unknown reason 'moon'; choose from: {REASON_CHOICES} "),
        ("emr simulate --clinics 0", "'--clinics'"),
        ("emr simulate --days 999999999", "'--days': expected a number from 1 to 3650; got 999999999 "),
        ("emr simulate --clinics 99999", "'--clinics': expected a number from 1 to 10000; got 99999 "),
        (
            "emr payment-log --seed 99999999999",
            "'--seed': expected a number from -2147483648 to 2147483647; got 99999999999 ",
        ),
        ("emr payment-log --days 999999999", "'--days': expected a number from 1 to 3650; got 999999999 "),
        ("emr simulate --first-day 0001-01-01", "'--first-day': '0001-01-01': the year must be between 1900 and 2999"),
        ("emr payment-log --first-day 2999-12-31", "the days must be between 1901-01-01 and 2998-12-31"),
        ("health --timeout 99999", "'--timeout': expected a number from 1 to 3600; got 99999 "),
        ("wait --timeout nan", "'--timeout': nan is not a number of seconds from 0 to 604,800"),
        ("wait --timeout inf", "inf is not a number of seconds from 0 to 604,800"),
        ("wait --timeout -1", "-1 is not a number of seconds from 0 to 604,800"),
        ("wait --timeout soon", "soon is not a number of seconds from 0 to 604,800"),
        ("emr publish", "Missing argument 'FILE'"),
        ("frobnicate", "No such command 'frobnicate'"),
        ("wait --fast", "No such option: --fast"),
    ],
)
def test_usage_error_names_the_problem(unconfigured_terminal: Terminal, line: str, problem: str) -> None:
    assert problem in error_of(unconfigured_terminal, line, status=2)


@pytest.mark.parametrize(
    "line",
    [
        "wait",
        "health",
        "report claims-feed",
        "report payment-log --format json",
        "timeline a/b/1",
        "settings show",
        "requeue a/b/1",
        "emr publish -",
        "emr simulate",
    ],
)
def test_command_without_stack_says_how_to_start_it(unconfigured_terminal: Terminal, line: str, tmp_path: Path) -> None:
    result = error_of(unconfigured_terminal, line, status=1)

    assert result.startswith(f"payments: nothing is running in {tmp_path}; start it with `payments up`")


def test_unknown_setting_is_named_in_the_error(
    unconfigured_terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYMENTS_FLOWER_PROT", "1")

    assert "PAYMENTS_FLOWER_PROT: there is no such setting" in error_of(unconfigured_terminal, "wait", status=2)


def test_missing_file_or_folder_is_named_in_the_error(terminal: Terminal, tmp_path: Path) -> None:
    assert f"{tmp_path}/none: No such file" in error_of(terminal, f"emr publish {tmp_path}/none", status=1)
    assert "claims_transactions.csv" in error_of(terminal, f"emr replay-synthea {tmp_path}", status=1)


def test_unreachable_postgres_is_reported_without_password(
    unconfigured_terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:secret@127.0.0.1:1/ledger")
    monkeypatch.setenv("REDIS_URL", UNREACHABLE_REDIS_URL)

    result = error_of(unconfigured_terminal, "report claims-feed", status=1)

    assert result.startswith("payments: DATABASE_URL: PostgreSQL does not answer: ")
    assert "secret" not in result


def test_database_without_tables_is_reported(
    terminal: Terminal, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scratch_database(postgres_url) as empty:
        monkeypatch.setenv("DATABASE_URL", empty)

        assert "`python -m workers.migrate`" in error_of(terminal, "report payment-log", status=1)


def test_unreachable_redis_is_reported(terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", UNREACHABLE_REDIS_URL)
    (tmp_path / "events.jsonl").write_text("{}\n")

    published = error_of(terminal, f"emr publish {tmp_path}/events.jsonl", status=1)
    assert published.startswith("payments: REDIS_URL: Redis at redis://127.0.0.1:1/0 did not accept the events ")
    assert "work remains after 0 s: Redis does not answer" in error_of(terminal, "wait --timeout 0", status=1)


def test_unknown_ids_are_reported(terminal: Terminal) -> None:
    assert "there is no payment a/b/9" in error_of(terminal, "timeline a/b/9", status=1)
    assert "there is no payment a/b/9" in error_of(terminal, "requeue a/b/9", status=1)
    assert "there is no clinic nowhere" in error_of(terminal, "settings show nowhere", status=1)
