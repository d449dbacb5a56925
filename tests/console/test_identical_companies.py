"""Two companies with identical ids: the reports of each are byte for byte the same as if it were alone."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from console.reports.payment_log import GROUPS
from payments.core.outcome import Status
from payments.store.db.connection import Database
from tests.console.conftest import Terminal
from tests.console.identical_companies import ALPHA, BETA, MONTHS_TO_CLOSE, IdenticalCompany, payment_log
from tests.console.identical_ledgers import Ledgers, keys_of_each_kind, number_within_company, patients_of_each_kind

pytestmark = pytest.mark.slow

OUTPUT_FORMATS = ("json", "csv")
PERIOD_OPTIONS = ("--from", "2024-09-28", "--to", "2024-10-04")
AS_OF_BEFORE_DECISIONS = ("--as-of", "2024-10-04T12:00:00Z")
CLOSED_MONTHS, OPEN_MONTH = [*map(str, MONTHS_TO_CLOSE)], "2024-10"
FEED, LOG = ("report", "claims-feed"), ("report", "payment-log")
EXCEPTIONS, BALANCING = ("report", "exceptions"), ("report", "balancing")
REPORT_COMMANDS = [
    FEED,
    (*FEED, "--summary"),
    (*FEED, "--status", Status.NOT_SENT, "--clinic", "clinic-002"),
    (*FEED, *AS_OF_BEFORE_DECISIONS),
    LOG,
    (*LOG, "--expand"),
    (*LOG, *AS_OF_BEFORE_DECISIONS),
    *((*LOG, "--group-by", group) for group in GROUPS.split("|")),
    EXCEPTIONS,
    (*EXCEPTIONS, "--status", "all"),
    (*EXCEPTIONS, *AS_OF_BEFORE_DECISIONS),
    (*BALANCING, *PERIOD_OPTIONS),
    (*BALANCING, *PERIOD_OPTIONS, "--lines"),
    (*BALANCING, "--lines"),
    (*BALANCING, "--clinic", "clinic-003", *AS_OF_BEFORE_DECISIONS),
    ("settings", "show"),
    ("settings", "history", "clinic-002"),
    ("company", "list"),
    ("company", "list", "--unconfirmed"),
]
AssertSameOutput = Callable[..., None]


@pytest.fixture
def assert_same_output(
    unconfigured_terminal: Terminal, monkeypatch: pytest.MonkeyPatch, ledgers: Ledgers, redis_url: str
) -> AssertSameOutput:
    """Return a function that runs a command twice and asserts that the outputs are the same.

    The first run reads the ledger of the company alone. The second run reads the ledger of both companies, with the
    option `--company`.
    """
    monkeypatch.setenv("REDIS_URL", redis_url)

    def run(database: Database, company: IdenticalCompany, *arguments: str) -> str:
        monkeypatch.setenv("DATABASE_URL", database.url.render_as_string(hide_password=False))
        result = unconfigured_terminal.run(*arguments)
        assert (result.status, result.err) == (0, ""), (arguments, result)
        return number_within_company(database, company.id, result.out)

    def assert_same_output(company: IdenticalCompany, *arguments: str) -> None:
        chosen = () if company.id in arguments else ("--company", company.id)
        # Balancing names the company that it is limited to.
        named = chosen if arguments[: len(BALANCING)] == BALANCING else ()
        alone = run(ledgers.alone[company.id], company, *arguments, *named)
        assert alone.strip() not in {"", "[]"}
        assert run(ledgers.together, company, *arguments, *chosen) == alone

    return assert_same_output


@pytest.mark.parametrize("arguments", REPORT_COMMANDS, ids=" ".join)
@pytest.mark.parametrize("company", [ALPHA, BETA])
def test_reports_are_unaffected_by_the_other_company(
    assert_same_output: AssertSameOutput, company: IdenticalCompany, arguments: Sequence[str]
) -> None:
    for output_format in OUTPUT_FORMATS:
        assert_same_output(company, *arguments, "--format", output_format)


@pytest.mark.parametrize("company", [ALPHA, BETA])
def test_timelines_are_unaffected_by_the_other_company(
    assert_same_output: AssertSameOutput, company: IdenticalCompany, ledgers: Ledgers
) -> None:
    keys = keys_of_each_kind(ledgers.alone[company.id])

    assert len(keys) > 10
    for key in keys:
        assert_same_output(company, "timeline", key, "--format", "json")


@pytest.mark.parametrize("company", [ALPHA, BETA])
def test_accounts_are_unaffected_by_the_other_company(
    assert_same_output: AssertSameOutput, company: IdenticalCompany, ledgers: Ledgers
) -> None:
    patients = patients_of_each_kind(ledgers.alone[company.id])

    assert len(patients) > 8
    for patient in patients:
        assert_same_output(company, *FEED, "--find", patient, "--format", "json")
        for output_format in OUTPUT_FORMATS:
            assert_same_output(company, "report", "account", patient, "--format", output_format)


@pytest.mark.parametrize("company", [ALPHA, BETA])
def test_months_are_unaffected_by_the_other_company(
    assert_same_output: AssertSameOutput, company: IdenticalCompany
) -> None:
    for output_format in OUTPUT_FORMATS:
        assert_same_output(company, "months", "list", "--company", company.id, "--format", output_format)
        for month in (*CLOSED_MONTHS, OPEN_MONTH):
            assert_same_output(company, "months", "show", company.id, month, "--format", output_format)
    for month in CLOSED_MONTHS:
        assert_same_output(company, "months", "verify", company.id, month)
    assert_same_output(company, "months", "close", company.id, OPEN_MONTH, "--dry-run")


@pytest.mark.parametrize("company", [ALPHA, BETA])
def test_previews_of_changes_are_unaffected_by_the_other_company(
    assert_same_output: AssertSameOutput, company: IdenticalCompany
) -> None:
    assert_same_output(company, "exceptions", "accept", "--all", "--dry-run")
    assert_same_output(company, "requeue", "--status", "not-sent", "--dry-run")
    assert_same_output(company, "distribute", "--as-of", "2025-01-31", "--dry-run", "--format", "csv", "--limit", "0")


@pytest.mark.parametrize("company", [ALPHA, BETA])
def test_balance_against_emr_log_is_unaffected_by_the_other_company(
    assert_same_output: AssertSameOutput, company: IdenticalCompany, tmp_path: Path
) -> None:
    log = tmp_path / "log.csv"
    with log.open("w", newline="") as file:
        payment_log(company, file)

    for more in ((), ("--lines",)):
        assert_same_output(company, *BALANCING, *PERIOD_OPTIONS, "--emr-csv", str(log), *more, "--format", "csv")
