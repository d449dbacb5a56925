"""The formats of reports: documented JSON keys, CSV, and tables that fit the screen."""

import csv
import io
import json
import subprocess
import sys

import pytest

from payments.contract.event import ChargeType
from tests.builders.committed import CommittedLedger
from tests.builders.events import deleted_payment, saved_patient, saved_payment
from tests.console.conftest import Terminal

FEED_KEYS = "payment version clinic patient charge_type amount saved_at status reason attempts".split()
LOG_KEYS = (
    "payment patient charge_type amount method deposit_date posting_date kind user unassigned company "
    "patient_name clinic reference entry reverses reason"
).split()
TIMELINE_KEYS = (
    "at what version detail who duration_ms error company patient_name task exception refused_event worker".split()
)

IMPORT_USER = "Integration Import, Not mapped to a user"


@pytest.fixture
def clinic_id(billing: CommittedLedger) -> str:
    """A clinic that sends only Copays. It has an imported payment, one of another type, and an invalid event."""
    billing.set_clinic("north", ChargeType.COPAY)
    here = {"clinic_id": "north", "patient_id": "pat-north"}
    billing.import_events(
        saved_patient("pat-north"),
        saved_payment("1025.00", payment_id="ok", **here),
        saved_payment("9.00", payment_id="type", charge_type="Supplies", saved_at="2026-06-07T23:30:00-07:00", **here),
        b"{not json",
    )
    return "north"


def test_claims_feed_json_has_documented_keys_in_order(terminal: Terminal, clinic_id: str) -> None:
    rows = terminal.run(*f"report claims-feed --clinic {clinic_id} --format json".split()).rows

    assert [list(row)[: len(FEED_KEYS)] for row in rows] == [FEED_KEYS] * 2
    ok = "north/ok/1", 1, "north", "pat-north", "Copay", "1025.00", "2026-06-05T17:00:00+00:00"
    out = "north/type/1", 1, "north", "pat-north", "Supplies", "9.00", "2026-06-08T06:30:00+00:00"
    assert [[row[key] for key in FEED_KEYS] for row in rows] == [
        [*ok, "Transmission Successful", None, 1],
        [*out, "Not Sent", "type_not_selected", 1],
    ]


@pytest.mark.parametrize(
    ("options", "payments"),
    [
        ("--status not-sent", ["north/type/1"]),
        ("--status SUCCESSFUL", ["north/ok/1"]),
        ("--from 2026-06-07 --to 2026-06-07", ["north/type/1"]),
        ("--to 2026-06-05", ["north/ok/1"]),
        ("--from 2026-06-08", []),
    ],
)
def test_claims_feed_is_filtered(terminal: Terminal, clinic_id: str, options: str, payments: list[str]) -> None:
    rows = terminal.run(*f"report claims-feed --clinic {clinic_id} {options} --format json".split()).rows

    assert [row["payment"] for row in rows] == payments


@pytest.mark.usefixtures("clinic_id")
def test_status_is_accepted_as_printed(terminal: Terminal) -> None:
    rows = terminal.run("report", "claims-feed", "--status", "Validation Failed", "--format", "json").rows

    assert {(row["payment"], row["status"], row["reason"]) for row in rows} == {
        (None, "Validation Failed", "invalid_event")
    }


def test_claims_feed_is_summed_by_status_and_reason(terminal: Terminal, clinic_id: str) -> None:
    rows = terminal.run(*f"report claims-feed --summary --clinic {clinic_id} --format json".split()).rows

    assert rows == [
        {"status": "Not Sent", "reason": "type_not_selected", "count": 1, "total": "9.00"},
        {"status": "Transmission Successful", "reason": None, "count": 1, "total": "1025.00"},
    ]


@pytest.mark.usefixtures("clinic_id")
def test_payment_log_json_has_documented_keys_in_order(terminal: Terminal) -> None:
    (row,) = terminal.run(*"report payment-log --patient pat-north --format json".split()).rows

    assert list(row)[: len(LOG_KEYS)] == LOG_KEYS
    entry = "north/ok/1", "pat-north", "Copay", "1025.00", "Cash", "2026-06-05", "import"
    shown = [row[key] for key in LOG_KEYS if key not in ("posting_date", "entry")]
    assert shown == [*entry, IMPORT_USER, "1025.00", "company", None, "north", None, None, None]
    assert isinstance(row["entry"], int)


@pytest.mark.usefixtures("clinic_id")
@pytest.mark.parametrize(
    ("group", "value"),
    [
        ("charge_type", "Copay"),
        ("deposit_date", "2026-06-05"),
        ("method", "Cash"),
        ("clinic", "north"),
        ("user", IMPORT_USER),
    ],
)
def test_grouped_payment_log_uses_the_group_as_key(terminal: Terminal, group: str, value: str) -> None:
    rows = terminal.run(*f"report payment-log --patient pat-north --group-by {group} --format json".split()).rows

    assert [list(row.items()) for row in rows] == [[(group, value), ("count", 1), ("total", "1025.00")]]


def test_timeline_lists_events_in_order(terminal: Terminal, billing: CommittedLedger) -> None:
    billing.set_clinic("story")
    here = {"clinic_id": "story", "patient_id": "pat-story"}
    billing.import_events(saved_patient("pat-story"), saved_payment("25.00", **here))
    billing.import_events(deleted_payment(version=2, **here))

    rows = terminal.run(*"timeline story/payment/1 --format json".split()).rows

    assert [list(row) for row in rows] == [TIMELINE_KEYS] * 2
    assert [(row["version"], row["who"], row["worker"], row["duration_ms"], row["error"]) for row in rows] == [
        (1, "Import", "importer-1", 7, None),
        (2, "Import", "importer-1", 7, None),
    ]


def test_timeline_of_an_invalid_event_names_the_field(terminal: Terminal, billing: CommittedLedger) -> None:
    billing.set_clinic("misread")
    billing.import_events(b'{"schema":1,"type":"payment.saved","clinic_id":"misread","payment_id":"p","line_id":"1"}')

    (refused,) = terminal.run(*"timeline misread/p/1 --format json".split()).rows

    assert (refused["what"], refused["error"]) == ("Validation Failed", "event_id: missing; expected a UUID")
    assert refused["detail"].endswith(": event_id: missing; expected a UUID")


def test_empty_report_prints_a_sentence_or_an_empty_array(terminal: Terminal) -> None:
    line = "report claims-feed --from 2001-01-01 --to 2001-01-01"

    assert terminal.run(*line.split(), "--format", "json").rows == []
    assert terminal.run(*line.split(), "--format", "csv").out.split(",")[:2] == ["payment", "version"]
    assert terminal.run(*line.split()).out == "No matching payments.\n"


def test_report_table_fits_the_screen_and_adds_up(
    terminal: Terminal, clinic_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for width in (80, 100, 120, 160, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        shown = terminal.run(*f"report claims-feed --clinic {clinic_id}".split()).out
        assert max(map(len, shown.splitlines())) <= width
        assert "1,034.00" in shown
        assert "type_not_selected" in shown


def test_limited_table_counts_the_hidden_rows(terminal: Terminal, clinic_id: str) -> None:
    shown = terminal.run(*f"report claims-feed --clinic {clinic_id} --limit 1".split()).out

    assert "north/type/1" not in shown
    assert "1,034.00" in shown  # the total includes the hidden rows
    assert shown.endswith("... and 1 more; --limit 0 shows all of them\n")


@pytest.mark.usefixtures("clinic_id")
@pytest.mark.parametrize(
    "report", ["claims-feed", "payment-log", "payment-log --group-by deposit_date", "exceptions --status all"]
)
def test_limit_applies_in_every_format(terminal: Terminal, report: str) -> None:
    def print_report(limit: int, form: str) -> str:
        return terminal.run(*f"report {report} --limit {limit} --format {form}".split()).out

    rows = json.loads(print_report(0, "json"))
    for limit in (1, 2):
        assert json.loads(print_report(limit, "json")) == rows[:limit]
        assert len([*csv.DictReader(io.StringIO(print_report(limit, "csv")))]) == len(rows[:limit])
    assert len([*csv.DictReader(io.StringIO(print_report(0, "csv")))]) == len(rows)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_output_contains_no_formula(terminal: Terminal, billing: CommittedLedger, separator: str) -> None:
    billing.set_clinic("formulas")
    here = {"clinic_id": "formulas", "patient_id": "ada;=1+1"}
    billing.import_events(
        saved_patient("ada;=1+1"),
        saved_payment("25.00", payment_id="p;=HYPERLINK(1)", **here),
        saved_payment("-5.00", payment_id="-7", line_id="-1", refund_of="formulas/p;=HYPERLINK(1)/1", **here),
    )

    text, raw = (
        terminal.run(*f"report payment-log --clinic formulas --format csv{more}".split()).out for more in ("", " --raw")
    )

    cells = [cell for line in text.splitlines() for cell in line.split(separator)]
    assert [cell for cell in cells if cell.strip('"').startswith(("=", "+", "@"))] == []
    rows = [*csv.DictReader(io.StringIO(raw))]
    assert sorted(row["amount"] for row in rows) == ["-5.00", "25.00"]
    assert {row["patient"] for row in rows} == {"ada;=1+1"}
    assert [row["amount"] for row in csv.DictReader(io.StringIO(text))] == [row["amount"] for row in rows]


def test_raw_is_refused_for_other_formats(terminal: Terminal) -> None:
    result = terminal.run(*"report claims-feed --raw --format json".split())

    assert (result.status, result.out) == (2, "")
    assert "--raw requires --format csv" in result.err


@pytest.mark.usefixtures("clinic_id")
def test_csv_has_a_header_and_one_line_per_row(terminal: Terminal) -> None:
    lines = terminal.run(*"report payment-log --patient pat-north --format csv".split()).out.splitlines()

    assert lines[0].split(",") == LOG_KEYS
    assert next(csv.DictReader(lines))["user"] == IMPORT_USER


@pytest.mark.acceptance
@pytest.mark.usefixtures("terminal", "clinic_id")
def test_closed_pipe_prints_no_error() -> None:
    program = "import sys; from console.cli.main import main; main()"
    line = [sys.executable, "-c", program, "report", "claims-feed", "--format", "csv"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as command:
        assert command.stdout
        assert command.stderr
        command.stdout.close()
        assert command.stderr.read() == ""
        assert command.wait() == 1
