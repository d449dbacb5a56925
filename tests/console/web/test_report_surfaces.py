"""Page, API, command, CSV and XLSX show each report with the same columns and parameters."""

import csv
import io
import re
import zipfile
from html import unescape
from typing import Any, NamedTuple

import pytest

from config.engines import Engines
from console.cli import main
from console.reports.account import ACCOUNT, APPLIED
from console.reports.audit import AUDIT
from console.reports.balancing import BALANCING, DIFFERENCES
from console.reports.claims_feed import CLAIMS_FEED
from console.reports.definition import Report
from console.reports.exceptions import EXCEPTIONS
from console.reports.months import MONTHS
from console.reports.parameters import parameters_of
from console.reports.payment_log import PAYMENT_LOG, payment_log_sums
from console.reports.settings import SETTINGS
from console.reports.timeline import TIMELINE
from console.reports.users import USERS
from tests.builders.committed import ClinicLedger
from tests.builders.events import saved_patient, saved_payment
from tests.console.conftest import Terminal
from tests.console.web.scenarios import LoggedIn, add_not_sent, edit_in_closed_month

pytestmark = pytest.mark.slow

CLINIC, COMPANY, PATIENT, KEY = "surfaces", "surfaces-company", "surfaces-patient", "surfaces/payment/1"


class ReportCase(NamedTuple):
    """A report with the command, page, API path and query that print it."""

    report: Report
    command: str
    page: str
    api: str | None
    query: dict[str, str]


CASES = [
    ReportCase(
        CLAIMS_FEED, f"report claims-feed --clinic {CLINIC}", "/claims-feed", "/api/claims-feed", {"clinic": CLINIC}
    ),
    ReportCase(
        EXCEPTIONS, f"report exceptions --clinic {CLINIC}", "/exceptions", "/api/exceptions", {"clinic": CLINIC}
    ),
    ReportCase(
        PAYMENT_LOG, f"report payment-log --clinic {CLINIC}", "/payment-log", "/api/payment-log", {"clinic": CLINIC}
    ),
    ReportCase(
        payment_log_sums("method"),
        f"report payment-log --clinic {CLINIC} --group-by method",
        "/payment-log",
        "/api/payment-log",
        {"clinic": CLINIC, "group_by": "method"},
    ),
    ReportCase(MONTHS, f"months list --company {COMPANY}", "/months", "/api/months", {"company": COMPANY}),
    ReportCase(TIMELINE, f"timeline {KEY}", "/timeline", "/api/timeline", {"payment": KEY}),
    ReportCase(USERS, "users list", "/users", None, {}),
    ReportCase(SETTINGS, "settings show", "/clinics", None, {}),
]
QUERIES: dict[str, list[dict[str, str]]] = {
    "claims-feed": [
        {"reason": "type_not_selected", "status": "Not Sent"},
        {"posted": "not_in_billing"},
        {"posted": "closed_month"},
        {"find": "patient"},
        {"find": "left-out/shoes/1"},
        {"amount": "9.00"},
        {"clinic": CLINIC},
        {"as_of": "2020-01-01T00:00:00Z"},
    ],
    "payment-log": [
        {"charge_type": "Copay"},
        {"method": "Cash"},
        {"kind": "import"},
        {"user": "Integration Import, Not mapped to a user"},
        {"clinic": CLINIC},
        {"patient": "patient", "company": "surfaces-company"},
        {"as_of": "2020-01-01T00:00:00Z"},
    ],
    "exceptions": [
        {"reason": "Payment added/edited/deleted when month is closed"},
        {"case": "edited"},
        {"case": "added"},
        {"clinic": CLINIC},
        {"patient": "patient", "company": "surfaces-company"},
        {"status": "all"},
        {"since": "2026-06-01", "until": "2026-06-30"},
        {"as_of": "2020-01-01T00:00:00Z"},
    ],
}


@pytest.fixture(scope="package")
def payments(ledger_database: Any) -> None:
    """A payment edited after its month was closed, and a payment that was not sent."""
    ledger = ClinicLedger(ledger_database)
    edit_in_closed_month(ledger, CLINIC, COMPANY)
    add_not_sent(ledger, "left-out", "shoes")
    ledger.publish(
        "surfaces-2", saved_patient(PATIENT), saved_payment("9.00", clinic_id="surfaces-2", patient_id=PATIENT)
    )


@pytest.fixture
def terminal(
    engines: Engines, payments: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Terminal:
    """A CLI runner that uses the same database as the web pages."""
    monkeypatch.setenv("DATABASE_URL", engines.database_url)
    monkeypatch.setenv("REDIS_URL", engines.redis_url)
    return Terminal(capfd)


def headings(page: str) -> list[str]:
    found = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', page, re.DOTALL)
    return [unescape(re.sub(r"<[^>]+>", "", each)) for each in found]


def has_in_order(found: list[str], wanted: list[str]) -> bool:
    return any(found[start : start + len(wanted)] == wanted for start in range(len(found)))


def form_fields(page: str) -> list[str]:
    form = re.search(r'<form class="filter".*?</form>', page, re.DOTALL)
    assert form
    return re.findall(r'name="(\w+)"', form[0])


def options_of(command: str) -> dict[str, Any]:
    found: Any = main.command()
    for word in command.split():
        found = found.commands[word]
    return {parameter.name: parameter for parameter in found.params}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.report.title)
def test_report_has_the_same_keys_on_every_surface(case: ReportCase, terminal: Terminal, logged_in: LoggedIn) -> None:
    (first, *_) = terminal.run(*case.command.split(), "--format", "json").rows
    header = terminal.run(*case.command.split(), "--format", "csv").out.splitlines()[0]

    assert tuple(first) == case.report.keys
    assert tuple(header.split(",")) == case.report.keys
    if case.api:
        (row, *_) = logged_in("billing").get(case.api, **case.query).json()["rows"]
        assert tuple(row) == case.report.keys


@pytest.mark.parametrize("case", [case for case in CASES if case.report is not SETTINGS], ids=lambda c: c.report.title)
def test_page_and_table_show_the_headings_of_the_report(
    case: ReportCase, terminal: Terminal, logged_in: LoggedIn
) -> None:
    shown = headings(logged_in("admin").get(case.page, **case.query).text)

    assert has_in_order(shown, [column.heading for column in case.report.page_columns])
    assert len(terminal.run(*case.command.split()).out.splitlines()) > 1


def test_account_and_balancing_show_the_headings_of_their_reports(payments: None, logged_in: LoggedIn) -> None:
    account = logged_in("billing").get("/account", patient="patient").text
    balancing = logged_in("billing").get("/balancing", since="2026-06-01", until="2026-06-30", clinic=CLINIC).text
    audit = headings(logged_in("admin").get("/audit").text)

    assert has_in_order(headings(account), [column.heading for column in APPLIED.page_columns])
    assert all(column.heading in account for column in ACCOUNT.page_columns)
    wanted = [column.heading for column in DIFFERENCES.page_columns if column.key != "unexplained"]
    assert has_in_order(headings(balancing), wanted)
    assert audit == [column.heading for column in AUDIT.page_columns]


def test_account_and_balancing_have_the_same_keys_on_every_surface(terminal: Terminal, logged_in: LoggedIn) -> None:
    period = {"since": "2026-06-01", "until": "2026-06-30", "clinic": CLINIC}
    command = f"report balancing --from 2026-06-01 --to 2026-06-30 --clinic {CLINIC} --format"
    balance = logged_in("billing").get("/api/balancing", **period).json()
    (account, *_) = logged_in("billing").get("/api/account", patient="patient").json()["rows"]

    assert tuple(terminal.run(*command.split(), "json").rows) == (*BALANCING.keys, "lines")
    assert tuple(terminal.run(*command.split(), "csv").out.splitlines()[0].split(",")) == BALANCING.keys
    assert tuple(balance) == (*BALANCING.keys, "unexplained_payments")
    assert tuple(account) == ACCOUNT.keys
    (row,) = terminal.run("report", "account", "patient", "--company", account["company"], "--format", "json").rows
    assert tuple(row)[: len(ACCOUNT.keys)] == ACCOUNT.keys


@pytest.mark.parametrize("report", [PAYMENT_LOG, payment_log_sums("method")], ids=lambda report: report.title)
def test_exported_files_have_the_keys_of_the_report(report: Report, payments: None, logged_in: LoggedIn) -> None:
    query = {"clinic": CLINIC} | ({} if report is PAYMENT_LOG else {"group_by": "method"})
    text = logged_in("billing").get("/payment-log/export", form="csv", **query).content.decode("utf-8-sig")
    book = logged_in("billing").get("/payment-log/export", form="xlsx", **query).content
    with zipfile.ZipFile(io.BytesIO(book)) as parts:
        strings = re.findall(r"<t[^>]*>(.*?)</t>", parts.read("xl/worksheets/sheet1.xml").decode())

    assert tuple(next(csv.reader(io.StringIO(text)))) == report.keys
    assert tuple(strings[: len(report.keys)]) == report.keys


@pytest.mark.parametrize(
    ("report", "command", "page", "api"),
    [
        (CLAIMS_FEED, "report claims-feed", "/claims-feed", "claims-feed"),
        (EXCEPTIONS, "report exceptions", "/exceptions", "exceptions"),
        (PAYMENT_LOG, "report payment-log", "/payment-log", "payment-log"),
        (ACCOUNT, "report account", "/account", "account"),
        (BALANCING, "report balancing", "/balancing", "balancing"),
        (TIMELINE, "timeline", "/timeline", "timeline"),
    ],
    ids=lambda each: each.title if isinstance(each, Report) else "",
)
def test_report_takes_the_same_parameters_on_every_surface(
    report: Report, command: str, page: str, api: str, logged_in: LoggedIn
) -> None:
    assert report.parameters
    names = list(parameters_of(report.parameters))
    described = logged_in("admin").get("/api/openapi.json").json()["paths"][f"/api/{api}"]["get"]["parameters"]

    assert [name for name in options_of(command) if name in names] == names
    hidden = {"period": "today", "sort": str(report.sorts[0])} if report.sorts else {}
    assert sorted(form_fields(logged_in("admin").get(page, **hidden).text)) == sorted(names)
    assert [each["name"] for each in described if each["name"] not in {"after", "before", "limit"}] == names


@pytest.mark.parametrize(
    ("report", "query"), [(report, query) for report, queries in QUERIES.items() for query in queries], ids=str
)
def test_filter_selects_the_same_rows_on_every_surface(
    report: str, query: dict[str, str], terminal: Terminal, logged_in: LoggedIn
) -> None:
    described = options_of(f"report {report}")
    options = [word for name, value in query.items() for word in (described[name].opts[0], value)]
    printed = terminal.run("report", report, *options, "--format", "json").rows
    answer = logged_in("admin").get(f"/api/{report}", limit=1000, **query)
    page = logged_in("admin").get(f"/{report}", **query).text

    assert answer.status_code == 200, answer.text
    key = "id" if report == "exceptions" else "payment"
    assert sorted(map(str, (row[key] for row in answer.json()["rows"]))) == sorted(str(row[key]) for row in printed)
    assert all(str(row["payment"]) in page for row in answer.json()["rows"][:1])


def test_exported_log_holds_the_rows_of_the_command(terminal: Terminal, logged_in: LoggedIn) -> None:
    text = logged_in("billing").get("/payment-log/export", form="csv", clinic=CLINIC).content.decode("utf-8-sig")

    assert terminal.run("report", "payment-log", "--clinic", CLINIC, "--format", "csv").out == text
