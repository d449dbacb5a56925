"""Balancing as people and programs read it, against a Payment Log of the EMR, and every night by itself."""

import csv
import io
from datetime import date
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
from tests.console.conftest import Billing, Terminal
from tests.make import patient, saved

AGREED = (
    "emr_total billing_total internal not_sent pending invalid zero_due closed_month prior_period date_differences "
    "unexplained"
).split()
WEEK = "--from 2026-06-01 --to 2026-06-07 --clinic weighed"
HERE = {"clinic_id": "weighed", "patient_id": "pat-weighed"}
PLAIN = saved("1025.00", payment_id="ok", **HERE)
UNSENT = saved("9.00", payment_id="type", charge_type="Supplies", **HERE)


@pytest.fixture(scope="module")
def week(ledger_database: Database) -> None:
    """A clinic that sends Copays: one came through, one payment is of another type."""
    billing = Billing(ledger_database)
    billing.clinic("weighed", ChargeType.COPAY)
    billing.imports(patient("pat-weighed"), PLAIN, UNSENT)


@pytest.fixture
def logged(tmp_path: Path) -> Path:
    """The Payment Log of an EMR that knows one payment more."""
    return written(tmp_path / "log.csv", PLAIN, UNSENT, saved("40.00", payment_id="lost", **HERE))


def written(path: Path, *events: PaymentSaved) -> Path:
    with path.open("w") as file:
        write_payment_log(events, file)
    return path


def test_balancing_keys_match_the_documented_interface() -> None:
    assert list(BALANCING.keys[: len(AGREED)]) == AGREED
    assert list(ReconcilingItem) == list(ITEMS)


@pytest.mark.usefixtures("week")
def test_balancing_json_is_one_object_with_differing_lines(terminal: Terminal) -> None:
    balance = terminal.types(*f"report balancing {WEEK} --format json".split()).rows

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
        "lines": [
            {"payment": "weighed/type/1", "emr": "9.00", "billing": "0.00"}
            | nothing
            | {"not_sent": "9.00", "unexplained": "0.00", "note": None}
            | {"transaction_date": str(UNSENT.transaction_date), "charge_type": "Supplies"}
        ],
    }


@pytest.mark.usefixtures("week")
def test_balancing_names_payments_missing_in_billing(terminal: Terminal, logged: Path) -> None:
    balance = terminal.types(*f"report balancing {WEEK} --emr-csv {logged} --format json".split()).rows
    shown = terminal.types(*f"report balancing {WEEK} --emr-csv {logged}".split()).out

    assert (balance["emr_total"], balance["unexplained"]) == ("1074.00", "40.00")
    assert [(line["payment"], line["unexplained"], line["note"]) for line in balance["lines"]] == [
        ("weighed/lost/1", "40.00", "only in the EMR"),
        ("weighed/type/1", "0.00", None),
    ]
    assert "weighed/lost/1" in shown
    assert "weighed/type/1" not in shown  # it is explained; --lines shows it


@pytest.mark.usefixtures("week")
def test_balancing_table_adds_up_from_emr_to_billing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    for width in (80, 120, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        shown = terminal.types(*f"report balancing {WEEK} --lines".split()).out

        assert max(map(len, shown.splitlines())) <= width
        rows = [line.split()[-1].replace(",", "") for line in shown.splitlines() if line.startswith(("EMR,", "less"))]
        amounts = [row for row in rows if row[-3:-2] == "."]
        assert sum(int(amount.replace(".", "")) for amount in amounts) == 1025_00
        assert "Billing, imports by deposit date" in shown
        assert "weighed/type/1" in shown
        assert "1 of 2 payments are equal on both sides." in shown


@pytest.mark.usefixtures("week")
def test_balancing_csv_is_one_row_or_one_per_line(terminal: Terminal) -> None:
    (whole,) = csv.DictReader(io.StringIO(terminal.types(*f"report balancing {WEEK} --format csv".split()).out))
    (line,) = csv.DictReader(io.StringIO(terminal.types(*f"report balancing {WEEK} --format csv --lines".split()).out))

    assert list(whole) == list(BALANCING.keys)
    assert list(line) == list(DIFFERENCES.keys)
    assert (whole["emr_total"], line["not_sent"]) == ("1034.00", "9.00")


@pytest.mark.usefixtures("week")
def test_invalid_emr_log_fails_with_one_line(terminal: Terminal, logged: Path) -> None:
    logged.write_text(logged.read_text().replace("1025.00", "a lot"))

    refused = terminal.types(*f"report balancing {WEEK} --emr-csv {logged}".split())
    missing = terminal.types(*f"report balancing {WEEK} --emr-csv {logged}.gone".split())

    problem = "Payment Log, row 3, column amount_paid: expected dollars such as 25.00; got 'a lot'"
    assert (refused.status, refused.out, refused.err) == (2, "", f"payments: {logged}: {problem}\n")
    assert (missing.status, missing.err) == (1, f"payments: {logged}.gone: No such file or directory\n")


def test_emr_payment_log_prints_the_simulated_log(terminal: Terminal) -> None:
    wish = "emr payment-log --clinics 1 --days 2 --seed 3 --first-day 2026-10-05"
    printed = terminal.types(*wish.split())

    assert printed.status == 0
    rows = [*csv.DictReader(io.StringIO(printed.out))]
    assert {row["clinic_id"] for row in rows} == {"clinic-001"}
    assert terminal.types(*wish.split()) == printed


@pytest.mark.usefixtures("week")
def test_nightly_balancing_logs_unexplained_differences(ledger_database: Database) -> None:
    def imported_for(amount: str) -> None:
        # Not by any rule: as if someone had changed what the EMR said behind the ledger's back.
        with transaction(ledger_database) as tx:
            change = "UPDATE lines SET amount_paid = CAST(:amount AS numeric) WHERE clinic_id = 'weighed'"
            tx.execute(text(f"{change} AND payment_id = 'ok'"), {"amount": amount})

    well = balance_week(ledger_database, date(2026, 6, 10))
    imported_for("1030.00")
    with capture_logs() as log:
        badly = balance_week(ledger_database, date(2026, 6, 10))
    imported_for("1025.00")

    assert well.endswith("clinics, unexplained 0.00")
    assert badly.endswith("clinics, unexplained 5.00 in 1 line")
    assert log == [
        {"event": "balance_unexplained", "log_level": "error", "clinic": "weighed", "amount": "5.00", "lines": 1}
    ]
