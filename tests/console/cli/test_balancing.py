"""`payments report balancing`: output formats, comparison with the EMR's Payment Log, and nightly balancing."""

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from console.reports.balancing import BALANCING, DIFFERENCES, ITEMS
from emr.payment_log import write_payment_log
from payments.contract.event import ChargeType, PaymentSaved
from payments.core.balancing import ReconcilingItem
from payments.store.db.connection import Database, transaction
from tasks.balancing import balance_week
from tests.builders.committed import CommittedLedger
from tests.builders.events import NOW, saved_patient, saved_payment
from tests.console.conftest import Terminal

DOCUMENTED_KEYS = (
    "emr_total billing_total internal not_sent pending invalid zero_due closed_month prior_period date_differences "
    "unexplained"
).split()
WEEK = "--from 2026-06-01 --to 2026-06-07 --clinic weighed"
CLINIC_FIELDS = {"clinic_id": "weighed", "patient_id": "pat-weighed"}
PLAIN = saved_payment("1025.00", payment_id="ok", **CLINIC_FIELDS)
UNSENT = saved_payment("9.00", payment_id="type", charge_type="Supplies", **CLINIC_FIELDS)


@pytest.fixture(scope="package")
def week_payments(ledger_database: Database) -> None:
    """A clinic that sends only Copays. It has one imported Copay and one payment of another type."""
    billing = CommittedLedger(ledger_database, NOW)
    billing.set_clinic("weighed", ChargeType.COPAY)
    billing.import_events(saved_patient("pat-weighed"), PLAIN, UNSENT)


@pytest.fixture
def emr_log(tmp_path: Path) -> Path:
    """A Payment Log of the EMR with one payment that Billing does not have."""
    return write_log(tmp_path / "log.csv", PLAIN, UNSENT, saved_payment("40.00", payment_id="lost", **CLINIC_FIELDS))


def write_log(path: Path, *events: PaymentSaved) -> Path:
    with path.open("w") as file:
        write_payment_log(events, file)
    return path


def test_balancing_keys_match_the_documented_interface() -> None:
    assert list(BALANCING.keys[: len(DOCUMENTED_KEYS)]) == DOCUMENTED_KEYS  # what was added later is at the end
    assert list(ReconcilingItem) == list(ITEMS)


@pytest.mark.usefixtures("week_payments")
def test_balancing_json_is_one_object_with_differing_lines(terminal: Terminal) -> None:
    balance = terminal.run(*f"report balancing {WEEK} --format json".split()).rows

    nothing = dict.fromkeys(ITEMS, "0.00")
    assert list(balance) == [*BALANCING.keys, "lines"]
    assert balance == {
        "emr_total": "1034.00",
        "billing_total": "1025.00",
        **nothing,
        "not_sent": "9.00",
        "unexplained": "0.00",
        "since": "2026-06-01",
        "until": "2026-06-07",
        "clinic": "weighed",
        "equal_lines": 1,
        "differing_lines": 1,
        "unexplained_lines": 0,
        "company": None,
        "manual_entries": "0.00",
        "lines": [
            {"payment": "weighed/type/1", "emr": "9.00", "billing": "0.00"}
            | nothing
            | {"not_sent": "9.00", "unexplained": "0.00", "note": None}
            | {"transaction_date": str(UNSENT.transaction_date), "charge_type": "Supplies", "company": "company"}
            | {"patient": "pat-weighed", "patient_name": None}
        ],
    }


@pytest.mark.usefixtures("week_payments")
def test_balancing_names_payments_missing_in_billing(terminal: Terminal, emr_log: Path) -> None:
    balance = terminal.run(*f"report balancing {WEEK} --emr-csv {emr_log} --format json".split()).rows
    shown = terminal.run(*f"report balancing {WEEK} --emr-csv {emr_log}".split()).out

    assert (balance["emr_total"], balance["unexplained"]) == ("1074.00", "40.00")
    assert [(line["payment"], line["unexplained"], line["note"]) for line in balance["lines"]] == [
        ("weighed/lost/1", "40.00", "only in the EMR"),
        ("weighed/type/1", "0.00", None),
    ]
    assert "weighed/lost/1" in shown
    assert "weighed/type/1" not in shown  # explained, so it is shown only with --lines


@pytest.mark.usefixtures("week_payments")
def test_balancing_table_adds_up_from_emr_to_billing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    for width in (80, 120, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        shown = terminal.run(*f"report balancing {WEEK} --lines".split()).out

        assert max(map(len, shown.splitlines())) <= width
        rows = [line.split()[-1].replace(",", "") for line in shown.splitlines() if line.startswith(("EMR,", "less"))]
        amounts = [row for row in rows if row[-3:-2] == "."]
        in_emr, *less = (int(amount.replace(".", "")) for amount in amounts)
        assert in_emr - sum(less) == 1025_00
        assert "Billing, imports by deposit date" in shown
        assert "weighed/type/1" in shown
        assert "1 of 2 payments are equal on both sides." in shown


@pytest.mark.usefixtures("week_payments")
def test_balancing_csv_has_one_row_or_one_row_per_line(terminal: Terminal) -> None:
    (whole,) = csv.DictReader(io.StringIO(terminal.run(*f"report balancing {WEEK} --format csv".split()).out))
    (line,) = csv.DictReader(io.StringIO(terminal.run(*f"report balancing {WEEK} --format csv --lines".split()).out))

    assert list(whole) == list(BALANCING.keys)
    assert list(line) == list(DIFFERENCES.keys)
    assert (whole["emr_total"], line["not_sent"]) == ("1034.00", "9.00")


@pytest.mark.usefixtures("week_payments")
@pytest.mark.parametrize("period", ["--company company --clinic weighed", WEEK])
def test_lines_as_csv_are_those_of_the_balance_in_the_order_of_payments(
    terminal: Terminal, emr_log: Path, period: str
) -> None:
    command = f"report balancing {period} --emr-csv {emr_log}"

    rows = csv.DictReader(io.StringIO(terminal.run(*f"{command} --lines --format csv".split()).out))
    balance = json.loads(terminal.run(*f"{command} --format json".split()).out)

    payments = [row["payment"] for row in rows]
    assert payments == ["weighed/type/1", "weighed/lost/1"]
    assert [line["payment"] for line in balance["lines"]] == payments[::-1]


@pytest.mark.usefixtures("week_payments")
def test_invalid_emr_log_fails_with_one_line(terminal: Terminal, emr_log: Path) -> None:
    emr_log.write_text(emr_log.read_text().replace("1025.00", "a lot"))

    refused = terminal.run(*f"report balancing {WEEK} --emr-csv {emr_log}".split())
    missing = terminal.run(*f"report balancing {WEEK} --emr-csv {emr_log}.gone".split())

    problem = "Payment Log, row 3, column amount_paid: expected dollars such as 25.00; got 'a lot'"
    assert (refused.status, refused.out, refused.err) == (2, "", f"payments: {emr_log}: {problem}\n")
    assert (missing.status, missing.err) == (1, f"payments: {emr_log}.gone: No such file or directory\n")


@pytest.mark.usefixtures("week_payments")
@pytest.mark.parametrize(
    ("written", "instead", "expected"),
    [
        (b"weighed,ok", b"weighed,ok  ", "row 3, column payment_id: expected text"),
        (b"1025.00", b"1,025.00", "row 3, column amount_paid: '1,025.00' is 2 cells; "),
        (b",Copay", b',"Copay', "row 2, column charge_type: the quotation mark that opens this cell is never closed"),
        (b"Supplies", b"Suppl\xe9es", "is not UTF-8; save the file as CSV in UTF-8"),
    ],
)
def test_emr_log_that_does_not_fit_is_refused_by_row_and_column(
    terminal: Terminal, emr_log: Path, written: bytes, instead: bytes, expected: str
) -> None:
    emr_log.write_bytes(emr_log.read_bytes().replace(written, instead, 1))

    refused = terminal.run(*f"report balancing {WEEK} --emr-csv {emr_log}".split())

    assert (refused.status, refused.out) == (2, "")
    assert refused.err.startswith(f"payments: {emr_log}: Payment Log, row ")
    assert expected in refused.err
    assert refused.err.count("\n") == 1


@pytest.mark.usefixtures("week_payments")
def test_rows_of_other_clinics_and_days_are_left_out_of_the_comparison(terminal: Terminal, tmp_path: Path) -> None:
    others = [
        saved_payment("77.00", payment_id="ok", clinic_id="elsewhere"),
        saved_payment("88.00", payment_id="late", transaction_date="2026-06-08", **CLINIC_FIELDS),
    ]
    log = write_log(tmp_path / "log.csv", PLAIN, UNSENT, *others)

    balance = terminal.run(*f"report balancing {WEEK} --emr-csv {log} --format json".split()).rows

    assert (balance["emr_total"], balance["unexplained"]) == ("1034.00", "0.00")
    assert [line["payment"] for line in balance["lines"]] == ["weighed/type/1"]


@pytest.mark.usefixtures("week_payments")
def test_unexplained_payments_are_counted_although_their_sum_is_zero(terminal: Terminal, tmp_path: Path) -> None:
    lost = [saved_payment("7.00", payment_id=f"lost-{number}", **CLINIC_FIELDS) for number in range(5)]
    log = write_log(tmp_path / "log.csv", PLAIN.model_copy(update={"amount_paid": Decimal("990.00")}), UNSENT, *lost)
    command = f"report balancing {WEEK} --emr-csv {log}"

    balance = terminal.run(*f"{command} --format json".split()).rows
    (row,) = csv.DictReader(io.StringIO(terminal.run(*f"{command} --format csv".split()).out))
    shown = terminal.run(*command.split()).out

    assert (balance["unexplained"], row["unexplained"]) == ("0.00", "0.00")
    counts = {"equal_lines": 0, "differing_lines": 7, "unexplained_lines": 6}
    assert {name: balance[name] for name in counts} == counts
    assert {name: int(row[name]) for name in counts} == counts
    assert "less Unexplained (6 payments)" in shown


def test_emr_payment_log_prints_the_simulated_log(terminal: Terminal) -> None:
    options = "emr payment-log --clinics 1 --days 2 --seed 3 --first-day 2026-10-05"
    printed = terminal.run(*options.split())

    assert printed.status == 0
    rows = [*csv.DictReader(io.StringIO(printed.out))]
    assert {row["clinic_id"] for row in rows} == {"clinic-001"}
    assert terminal.run(*options.split()) == printed


@pytest.mark.usefixtures("week_payments")
def test_nightly_balancing_logs_unexplained_differences(ledger_database: Database) -> None:
    def set_emr_amount(amount: str) -> None:
        # No rule does this: it makes the ledger differ from the EMR without an explanation.
        with transaction(ledger_database) as tx:
            change = "UPDATE lines SET amount_paid = CAST(:amount AS numeric) WHERE clinic_id = 'weighed'"
            tx.execute(text(f"{change} AND payment_id = 'ok'"), {"amount": amount})

    balanced, _ = balance_week(ledger_database, datetime(2026, 6, 10, 18, tzinfo=UTC))
    set_emr_amount("1030.00")
    with capture_logs() as log:
        unbalanced, _ = balance_week(ledger_database, datetime(2026, 6, 11, 18, tzinfo=UTC))
    set_emr_amount("1025.00")

    assert balanced.endswith("clinics, unexplained 0.00")
    assert unbalanced.endswith("clinics, unexplained 5.00 in 1 line")
    assert log == [
        {"event": "balance_unexplained", "log_level": "error", "company": "company"}
        | {"clinic": "weighed", "amount": "5.00", "lines": 1}
    ]


def test_unknown_clinic_and_company_are_refused(terminal: Terminal) -> None:
    assert terminal.run(*"report balancing --clinic clnc-001".split()).err == "payments: there is no clinic clnc-001\n"
    assert terminal.run(*"report balancing --company acmee".split()).err == "payments: there is no company acmee\n"
