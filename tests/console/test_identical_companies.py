"""Two companies with identical ids: each company's reports are byte for byte as if it were alone."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from console.reports.payment_log import GROUPS
from payments.core.outcome import Status
from payments.store.db.connection import Database
from tests.console.conftest import Terminal
from tests.console.identical_companies import ALPHA, BETA, MONTHS, Company, payment_log
from tests.console.identical_ledgers import Ledgers, keys_of_each_kind, number_within_company, patients_of_each_kind

pytestmark = pytest.mark.slow

FORMATS = ("json", "csv")
PERIOD = ("--from", "2024-09-28", "--to", "2024-10-04")
BEFORE_DECISIONS = ("--as-of", "2024-10-04T12:00:00Z")
CLOSED_MONTHS, OPEN_MONTH = [*map(str, MONTHS)], "2024-10"
FEED, LOG = ("report", "claims-feed"), ("report", "payment-log")
EXCEPTIONS, BALANCING = ("report", "exceptions"), ("report", "balancing")
COMMANDS = [
    FEED,
    (*FEED, "--summary"),
    (*FEED, "--status", Status.NOT_SENT, "--clinic", "clinic-002"),
    (*FEED, *BEFORE_DECISIONS),
    LOG,
    (*LOG, "--expand"),
    (*LOG, *BEFORE_DECISIONS),
    *((*LOG, "--group-by", group) for group in GROUPS.split("|")),
    EXCEPTIONS,
    (*EXCEPTIONS, "--status", "all"),
    (*EXCEPTIONS, *BEFORE_DECISIONS),
    (*BALANCING, *PERIOD),
    (*BALANCING, *PERIOD, "--lines"),
    (*BALANCING, "--lines"),
    (*BALANCING, "--clinic", "clinic-003", *BEFORE_DECISIONS),
    ("settings", "show"),
    ("settings", "history", "clinic-002"),
    ("company", "list"),
    ("company", "list", "--unconfirmed"),
]
Compare = Callable[..., None]


@pytest.fixture
def compare(
    unconfigured_terminal: Terminal, monkeypatch: pytest.MonkeyPatch, ledgers: Ledgers, redis_url: str
) -> Compare:
    """Return a function that compares two outputs of a command.

    One output is of a ledger with the company alone. The other is of the ledger of both companies, with `--company`.
    """
    monkeypatch.setenv("REDIS_URL", redis_url)

    def run(database: Database, company: Company, *arguments: str) -> str:
        monkeypatch.setenv("DATABASE_URL", database.url.render_as_string(hide_password=False))
        result = unconfigured_terminal.run(*arguments)
        assert (result.status, result.err) == (0, ""), (arguments, result)
        return number_within_company(database, company.id, result.out)

    def compare(company: Company, *arguments: str) -> None:
        chosen = () if company.id in arguments else ("--company", company.id)
        # Balancing names the company that it is limited to.
        named = chosen if arguments[: len(BALANCING)] == BALANCING else ()
        alone = run(ledgers.alone[company.id], company, *arguments, *named)
        assert alone.strip() not in {"", "[]"}
        assert run(ledgers.together, company, *arguments, *chosen) == alone

    return compare


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("company", [ALPHA, BETA])
def test_reports_are_unaffected_by_the_other_company(
    compare: Compare, company: Company, arguments: Sequence[str]
) -> None:
    for output_format in FORMATS:
        compare(company, *arguments, "--format", output_format)


@pytest.mark.parametrize("company", [ALPHA, BETA])
def test_timelines_are_unaffected_by_the_other_company(compare: Compare, company: Company, ledgers: Ledgers) -> None:
    keys = keys_of_each_kind(ledgers.alone[company.id])

    assert len(keys) > 10
    for key in keys:
        compare(company, "timeline", key, "--format", "json")


@pytest.mark.parametrize("company", [ALPHA, BETA])
def test_accounts_are_unaffected_by_the_other_company(compare: Compare, company: Company, ledgers: Ledgers) -> None:
    patients = patients_of_each_kind(ledgers.alone[company.id])

    assert len(patients) > 8
    for patient in patients:
        compare(company, *FEED, "--find", patient, "--format", "json")
        for output_format in FORMATS:
            compare(company, "report", "account", patient, "--format", output_format)


@pytest.mark.parametrize("company", [ALPHA, BETA])
def test_months_are_unaffected_by_the_other_company(compare: Compare, company: Company) -> None:
    for output_format in FORMATS:
        compare(company, "months", "list", "--company", company.id, "--format", output_format)
        for month in (*CLOSED_MONTHS, OPEN_MONTH):
            compare(company, "months", "show", company.id, month, "--format", output_format)
    for month in CLOSED_MONTHS:
        compare(company, "months", "verify", company.id, month)
    compare(company, "months", "close", company.id, OPEN_MONTH, "--dry-run")


@pytest.mark.parametrize("company", [ALPHA, BETA])
def test_previews_of_changes_are_unaffected_by_the_other_company(compare: Compare, company: Company) -> None:
    compare(company, "exceptions", "accept", "--all", "--dry-run")
    compare(company, "requeue", "--status", "not-sent", "--dry-run")
    compare(company, "distribute", "--as-of", "2025-01-31", "--dry-run", "--format", "csv", "--limit", "0")


@pytest.mark.parametrize("company", [ALPHA, BETA])
def test_balance_against_emr_log_is_unaffected_by_the_other_company(
    compare: Compare, company: Company, tmp_path: Path
) -> None:
    log = tmp_path / "log.csv"
    with log.open("w", newline="") as file:
        payment_log(company, file)

    for more in ((), ("--lines",)):
        compare(company, *BALANCING, *PERIOD, "--emr-csv", str(log), *more, "--format", "csv")
