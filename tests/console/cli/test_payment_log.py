"""`payments report payment-log`: filtered by user, as of a time, grouped, expanded, and as a spreadsheet."""

import csv
import re
from datetime import UTC, date, datetime
from pathlib import Path
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest

from payments.contract.event import Event
from payments.core.line import IMPORT_USER
from payments.store.db.connection import Database
from tests.builders.committed import Company
from tests.builders.events import (
    deleted_payment,
    paid,
    saved_charge,
    saved_patient,
    saved_payment,
)
from tests.console.conftest import Terminal

LOG_KEYS = (
    "payment patient charge_type amount method deposit_date posting_date kind user unassigned company "
    "patient_name clinic reference entry reverses reason"
).split()
CELL_NAMESPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
# Day 0 of spreadsheet dates.
DAY_ZERO = date(1899, 12, 30)


class CompanyWithLog(Company):
    """A company with one patient, and a terminal that prints the patient's log."""

    def __init__(self, terminal: Terminal, database: Database) -> None:
        super().__init__(database)
        self._terminal = terminal
        self.publish(saved_patient(self.patient_id, company_id=self.id))

    def publish(self, *events: Event | bytes) -> None:
        super().publish(*events)
        self.distribute_queued()

    def accept_all(self) -> None:
        result = self._terminal.run("exceptions", "accept", "--all", "--company", self.id)
        assert (result.status, result.out[:4]) == (0, "Exce")

    def log(self, *arguments: str, form: str = "json") -> str:
        """Return the output of `payments report payment-log` for this patient."""
        line = ("report", "payment-log", "--patient", self.patient_id, *arguments, "--format", form)
        result = self._terminal.run(*line)
        assert (result.status, result.err) == (0, "")
        return result.out

    def rows(self, *arguments: str) -> list[dict[str, object]]:
        line = ("report", "payment-log", "--patient", self.patient_id, *arguments, "--format", "json")
        found: list[dict[str, object]] = self._terminal.run(*line).rows
        return found


@pytest.fixture
def company(terminal: Terminal, ledger_database: Database) -> CompanyWithLog:
    return CompanyWithLog(terminal, ledger_database)


def test_log_as_of_the_close_never_changes(company: CompanyWithLog) -> None:
    company.publish(
        saved_payment(payment_id="a", **paid("25.00", "2020-04-08"), **company.ids),
        saved_payment(payment_id="b", **paid("40.00", "2020-04-09"), **company.ids),
        saved_charge("c", "30.00", date_of_service="2020-04-08", **company.ids),
    )
    company.close_month("2020-04")
    then = datetime.now(UTC).isoformat()
    april = ("--from", "2020-04-01", "--to", "2020-04-30", "--as-of", then)
    before = [company.log(*april, form=form) for form in ("json", "csv", "table")]

    company.publish(deleted_payment(payment_id="a", version=2, **company.ids))
    company.publish(saved_payment(payment_id="b", version=2, **paid("45.00", "2020-04-09"), **company.ids))
    company.accept_all()
    company.distribute()

    assert [company.log(*april, form=form) for form in ("json", "csv", "table")] == before
    assert len(company.rows("--as-of", then)) == 2
    assert [row["unassigned"] for row in company.rows()] != [row["unassigned"] for row in company.rows("--as-of", then)]
    assert [row["amount"] for row in company.rows()] == ["25.00", "40.00", "-25.00", "5.00"]


def test_log_is_filtered_by_user(company: CompanyWithLog) -> None:
    company.publish(saved_payment(**paid("25.00", "2020-04-08"), **company.ids))
    company.close_month("2020-04")
    company.publish(deleted_payment(version=2, **company.ids))
    company.accept_all()
    imported, adjusted = company.rows()

    assert (imported["kind"], imported["user"], adjusted["kind"]) == ("import", IMPORT_USER, "adjustment")
    assert company.rows("--user", IMPORT_USER) == [imported]
    assert company.rows("--user", str(adjusted["user"])) == [adjusted]
    assert company.rows("--user", "nobody") == []
    assert {row["user"]: row["total"] for row in company.rows("--group-by", "user")} == {
        IMPORT_USER: "25.00",
        adjusted["user"]: "-25.00",
    }


@pytest.mark.parametrize(
    ("group", "sums"),
    [
        ("charge_type", [("Copay", 2, "65.00"), ("Supplies", 1, "1.00")]),
        ("deposit_date", [("2020-04-08", 2, "26.00"), ("2020-04-09", 1, "40.00")]),
        ("method", [("Cash", 1, "25.00"), ("Check", 2, "41.00")]),
        ("clinic", [("{clinic}", 3, "66.00")]),
        ("user", [(IMPORT_USER, 3, "66.00")]),
    ],
)
def test_log_groups_have_their_key_and_add_up(
    company: CompanyWithLog, group: str, sums: list[tuple[str, int, str]]
) -> None:
    company.publish(
        saved_payment(payment_id="a", **paid("25.00", "2020-04-08"), **company.ids),
        saved_payment(payment_id="b", **paid("40.00", "2020-04-09", method="Check"), **company.ids),
        saved_payment(
            payment_id="c", **paid("1.00", "2020-04-08", method="Check", charge_type="Supplies"), **company.ids
        ),
    )

    rows = company.rows("--group-by", group)

    named = [(key.format(clinic=company.id), count, total) for key, count, total in sums]
    assert [tuple(row.values()) for row in rows] == named
    assert all(list(row) == [group, "count", "total"] for row in rows)
    assert "66.00" in company.log("--group-by", group, form="table")


def test_expanded_log_shows_dates_of_service(company: CompanyWithLog) -> None:
    company.publish(
        saved_charge("new", "15.00", date_of_service="2020-04-08", **company.ids),
        saved_charge("old", "30.00", date_of_service="2020-03-02", **company.ids),
        saved_payment(payment_id="a", **paid("25.00", "2020-04-08"), **company.ids),
        saved_payment(payment_id="b", **paid("1.00", "2020-04-09"), charge_type="Supplies", **company.ids),
    )
    company.distribute()

    first, second = company.rows("--expand")

    assert list(first) == [*LOG_KEYS[:10], "applied", *LOG_KEYS[10:]]
    applied = [("2020-03-02", f"{company.id}/old", "10.00"), ("2020-04-08", f"{company.id}/new", "15.00")]
    assert first["applied"] == [
        {"date_of_service": day, "charge": key, "amount": amount} for day, key, amount in applied
    ]
    assert second["applied"] == [{"date_of_service": "2020-03-02", "charge": f"{company.id}/old", "amount": "1.00"}]
    assert "2020-03-02: 10.00, 2020-04-08: 15.00" in " ".join(company.log("--expand", form="table").split())
    (line, _) = csv.DictReader(company.log("--expand", form="csv").splitlines())
    assert line["applied"].startswith(f"2020-03-02 {company.id}/old 10.00,")


def test_expanded_log_shows_nothing_for_unapplied_entries(company: CompanyWithLog) -> None:
    company.publish(saved_payment(**paid("25.00", "2020-04-08"), **company.ids))

    assert [row["applied"] for row in company.rows("--expand")] == [[]]


def test_spreadsheet_has_typed_cells_and_no_formulas(
    company: CompanyWithLog, terminal: Terminal, tmp_path: Path
) -> None:
    formula = f"=cmd|'/c calc'!A1-{company.patient_id}"
    mine = company.ids | {"patient_id": formula}
    company.publish(
        saved_patient(formula, company_id=company.id),
        saved_payment(payment_id="a", **paid("1025.50", "2020-04-08"), **mine),
        saved_payment(payment_id="https://example.org", **paid("7.00", "2020-04-09"), **mine),
    )
    file = tmp_path / "april.xlsx"

    result = terminal.run("report", "payment-log", "--patient", formula, "--xlsx", str(file))

    assert (result.status, result.out) == (0, f"2 rows are in {file}.\n")
    head, first, second = spreadsheet_cells(file)
    assert list(head.values()) == LOG_KEYS
    assert (first["D"], second["D"]) == (1025.5, 7)
    assert first["F"] == (date(2020, 4, 8) - DAY_ZERO).days
    assert (first["A"], first["B"]) == (f"{company.id}/a/1", formula)
    assert second["A"] == f"{company.id}/https://example.org/1"


def test_grouped_log_is_exported_as_spreadsheet(company: CompanyWithLog, tmp_path: Path) -> None:
    company.publish(saved_payment(**paid("25.00", "2020-04-08"), **company.ids))
    file = tmp_path / "sums.xlsx"

    company.log("--group-by", "charge_type", "--xlsx", str(file))

    head, row = spreadsheet_cells(file)
    assert list(head.values()) == ["charge_type", "count", "total"]
    assert row == {"A": "Copay", "B": 1, "C": 25}


def test_unwritable_spreadsheet_fails_with_one_line(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "no such folder" / "log.xlsx"

    result = terminal.run("report", "payment-log", "--patient", "nobody", "--xlsx", str(file))

    assert (result.status, result.out, result.err.count("\n")) == (1, "", 1)
    assert result.err.startswith("payments: the spreadsheet cannot be written: ")
    assert str(file) in result.err


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("--as-of yesterday", "'yesterday' is not a time such as 2026-11-02T09:00:00Z"),
        ("--from 2020-05-01 --to 2020-04-01", "2020-04-01 is before --from 2020-05-01"),
        ("--group-by patient", "choose from: charge_type, deposit_date, method, clinic, user"),
    ],
)
def test_invalid_log_options_fail_with_one_line(terminal: Terminal, options: str, problem: str) -> None:
    result = terminal.run("report", "payment-log", *options.split())

    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
    assert problem in result.err


def spreadsheet_cells(file: Path) -> list[dict[str, float | str]]:
    """Return the rows of a spreadsheet as cells by column. Check that it contains no formula and no link."""
    with ZipFile(file) as parts:
        sheet = ElementTree.fromstring(parts.read("xl/worksheets/sheet1.xml"))
        assert not any("hyperlink" in name or "externalLink" in name for name in parts.namelist())
    assert list(sheet.iter(f"{CELL_NAMESPACE}f")) == []
    assert list(sheet.iter(f"{CELL_NAMESPACE}hyperlink")) == []
    return [
        {
            re.sub(r"\d", "", cell.attrib["r"]): value if cell.get("t") == "inlineStr" else float(value)
            for cell in row.iter(f"{CELL_NAMESPACE}c")
            if (value := "".join(cell.itertext()))
        }
        for row in sheet.iter(f"{CELL_NAMESPACE}row")
    ]
