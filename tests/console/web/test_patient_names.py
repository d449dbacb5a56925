"""The patient's name is beside the patient's id in every list: on pages, in the API, in files and in commands."""

import csv
import io
import zipfile
from typing import Any, NamedTuple

import pytest
from sqlalchemy import event

from config.engines import Engines
from payments.core.scope import Scope
from payments.core.sorting import Window
from payments.journeys import reporting
from payments.journeys.reporting import FeedFilter, PaymentLogFilter
from payments.store.db.connection import Database, transaction
from tests.builders.committed import ClinicLedger
from tests.builders.events import paid, saved_patient, saved_payment
from tests.builders.office import Office
from tests.console.conftest import Terminal
from tests.console.web.scenarios import LoggedIn

pytestmark = pytest.mark.slow

CLINIC, COMPANY, PATIENT, NAME = "names", "names-company", "names-patient", "Ada O'Brien"
NAME_IN_HTML = "Ada O&#39;Brien"
PERIOD_FILTER = {"since": "2026-06-01", "until": "2026-06-30"}


class NamedList(NamedTuple):
    """A list: its page, its API call and its command, with the query that selects the patient's payments."""

    page: str
    api: str | None
    command: str
    query: dict[str, str]


NAMED_LISTS = [
    NamedList("/claims-feed", "/api/claims-feed", f"report claims-feed --clinic {CLINIC}", {"clinic": CLINIC}),
    NamedList("/exceptions", "/api/exceptions", f"report exceptions --clinic {CLINIC}", {"clinic": CLINIC}),
    NamedList("/payment-log", "/api/payment-log", f"report payment-log --clinic {CLINIC}", {"clinic": CLINIC}),
    NamedList("/account", "/api/account", f"report account {PATIENT}", {"patient": PATIENT}),
    NamedList("/timeline", "/api/timeline", f"timeline {CLINIC}/edited/1", {"payment": f"{CLINIC}/edited/1"}),
    NamedList("/balancing", None, f"report balancing --clinic {CLINIC} --lines", {"clinic": CLINIC, **PERIOD_FILTER}),
]


@pytest.fixture(scope="package", autouse=True)
def payments(ledger_database: Database) -> None:
    """A patient with a name and two payments: a posted one, and one that was edited after its month was closed."""
    ids = {"clinic_id": CLINIC, "company_id": COMPANY, "patient_id": PATIENT}
    edited = saved_payment(payment_id="edited", **paid("25.00", "2026-06-05"), **ids)

    def work(office: Office) -> None:
        office.publish(saved_patient(PATIENT, company_id=COMPANY, name=NAME), edited)
        office.close_months("2026-06")
        office.publish(saved_payment(payment_id="edited", version=2, **paid("35.00", "2026-06-05"), **ids))

    ClinicLedger(ledger_database).in_office(CLINIC, work, company_id=COMPANY)


@pytest.fixture
def terminal(engines: Engines, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Terminal:
    monkeypatch.setenv("DATABASE_URL", engines.database_url)
    monkeypatch.setenv("REDIS_URL", engines.redis_url)
    monkeypatch.setenv("COLUMNS", "220")
    return Terminal(capfd)


@pytest.mark.parametrize("listed", NAMED_LISTS, ids=lambda each: each.page)
def test_name_is_beside_the_id_on_page_api_and_terminal(
    listed: NamedList, terminal: Terminal, logged_in: LoggedIn
) -> None:
    page = logged_in("billing").get(listed.page, **listed.query).text

    assert NAME_IN_HTML in page
    assert NAME in terminal.run(*listed.command.split()).out
    if listed.api:
        rows: list[dict[str, Any]] = logged_in("billing").get(listed.api, **listed.query).json()["rows"]
        assert {row["patient_name"] for row in rows} == {NAME}


@pytest.mark.parametrize("command", [each.command for each in NAMED_LISTS])
def test_json_and_csv_contain_the_patient_name(command: str, terminal: Terminal) -> None:
    csv_rows = [*csv.DictReader(io.StringIO(terminal.run(*command.split(), "--format", "csv").out))]
    found = terminal.run(*command.split(), "--format", "json").rows
    (row, *_) = found["lines"] if isinstance(found, dict) else found

    assert {each["patient_name"] for each in csv_rows} == {NAME}
    assert row["patient_name"] == NAME


def test_exported_spreadsheet_has_the_name(logged_in: LoggedIn) -> None:
    book = logged_in("billing").get("/payment-log/export", form="xlsx", clinic=CLINIC).content

    with zipfile.ZipFile(io.BytesIO(book)) as parts:
        assert "Ada O" in parts.read("xl/worksheets/sheet1.xml").decode()


def test_report_as_of_an_earlier_moment_shows_the_present_name(logged_in: LoggedIn) -> None:
    rows = logged_in("billing").get("/api/payment-log", clinic=CLINIC, as_of="2099-01-01T00:00:00Z").json()["rows"]

    assert {row["patient_name"] for row in rows} == {NAME}


def test_names_cost_no_query_per_row(ledger_database: Database) -> None:
    statements: list[str] = []
    scope = Scope.of_clinic(COMPANY, CLINIC)

    def count_statements(rows: int) -> int:
        statements.clear()
        reporting.claims_feed_page(tx, FeedFilter(scope=scope), Window(rows))
        reporting.payment_log_page(tx, PaymentLogFilter(scope=scope), Window(rows))
        return len(statements)

    with transaction(ledger_database) as tx:
        event.listen(tx, "before_cursor_execute", lambda *given: statements.append(given[2]))

        assert count_statements(rows=50) == count_statements(rows=1)
