"""`payments report payment-log`: by user, as of a time, grouped, expanded, and as a spreadsheet."""

import csv
import re
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest

from payments.contract.event import ChargeType, Event
from payments.core.line import IMPORT_USER
from payments.journeys import configuring, detecting, distributing, importing
from payments.journeys.configuring import SettingsUpdate
from payments.journeys.distributing import FIRST
from payments.store.db.connection import Database, transaction
from tests.console.conftest import Terminal
from tests.make import arrived, charge, deleted, patient, run, saved
from tests.office import paid

KEYS = "payment patient charge_type amount method deposit_date posting_date kind user unassigned".split()
CELL = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
# Day 0 of spreadsheet dates.
DAY_ZERO = date(1899, 12, 30)


class Desk:
    """A new company with one patient, and a terminal that prints the patient's log."""

    def __init__(self, terminal: Terminal, database: Database) -> None:
        self.company, self.patient = f"l-{uuid4().hex[:8]}", f"ada-{uuid4().hex[:8]}"
        self.here = {"company_id": self.company, "clinic_id": self.company, "patient_id": self.patient}
        self._terminal, self._database = terminal, database
        with transaction(database) as tx:
            update = SettingsUpdate(self.company, self.company, integration=True, charge_types=list(ChargeType))
            configuring.set_clinic(tx, update, now=datetime(2020, 1, 1, tzinfo=UTC), who="user:admin")
        self.import_and_sweep(patient(self.patient, company_id=self.company))

    def import_and_sweep(self, *events: Event) -> None:
        """Import events, detect exceptions and run the immediate distribution."""
        now = datetime.now(UTC)
        with transaction(self._database) as tx:
            importing.import_events(tx, arrived(events), run(now))
            detecting.detect(tx, now, "tests-1", 500)
            distributing.distribute_queued(tx, now.date(), now, 500)

    def distribute(self) -> None:
        """Run the nightly distribution."""
        now = datetime.now(UTC)
        with transaction(self._database) as tx:
            distributing.distribute_accounts(tx, FIRST, now.date(), now, 5000)

    def close(self, month: str) -> None:
        assert self._terminal.run("months", "close", self.company, month).status == 0

    def accept_all(self) -> None:
        result = self._terminal.run("exceptions", "accept", "--all", "--company", self.company)
        assert (result.status, result.out[:4]) == (0, "Exce")

    def log(self, *arguments: str, form: str = "json") -> str:
        """Return the printed log of this patient."""
        line = ("report", "payment-log", "--patient", self.patient, *arguments, "--format", form)
        result = self._terminal.run(*line)
        assert (result.status, result.err) == (0, "")
        return result.out

    def rows(self, *arguments: str) -> list[dict[str, object]]:
        line = ("report", "payment-log", "--patient", self.patient, *arguments, "--format", "json")
        found: list[dict[str, object]] = self._terminal.run(*line).rows
        return found


@pytest.fixture
def desk(terminal: Terminal, ledger_database: Database) -> Desk:
    return Desk(terminal, ledger_database)


def test_log_as_of_the_close_never_changes(desk: Desk) -> None:
    desk.import_and_sweep(
        saved(payment_id="a", **paid("25.00", "2020-04-08"), **desk.here),
        saved(payment_id="b", **paid("40.00", "2020-04-09"), **desk.here),
        charge("c", "30.00", date_of_service="2020-04-08", **desk.here),
    )
    desk.close("2020-04")
    then = datetime.now(UTC).isoformat()
    april = ("--from", "2020-04-01", "--to", "2020-04-30", "--as-of", then)
    before = [desk.log(*april, form=form) for form in ("json", "csv", "table")]

    desk.import_and_sweep(deleted(payment_id="a", version=2, **desk.here))
    desk.import_and_sweep(saved(payment_id="b", version=2, **paid("45.00", "2020-04-09"), **desk.here))
    desk.accept_all()
    desk.distribute()

    assert [desk.log(*april, form=form) for form in ("json", "csv", "table")] == before
    assert len(desk.rows("--as-of", then)) == 2
    assert [row["unassigned"] for row in desk.rows()] != [row["unassigned"] for row in desk.rows("--as-of", then)]
    assert [row["amount"] for row in desk.rows()] == ["25.00", "40.00", "-25.00", "5.00"]


def test_log_is_filtered_by_user(desk: Desk) -> None:
    desk.import_and_sweep(saved(**paid("25.00", "2020-04-08"), **desk.here))
    desk.close("2020-04")
    desk.import_and_sweep(deleted(version=2, **desk.here))
    desk.accept_all()
    imported, adjusted = desk.rows()

    assert (imported["kind"], imported["user"], adjusted["kind"]) == ("import", IMPORT_USER, "adjustment")
    assert desk.rows("--user", IMPORT_USER) == [imported]
    assert desk.rows("--user", str(adjusted["user"])) == [adjusted]
    assert desk.rows("--user", "nobody") == []
    assert {row["user"]: row["total"] for row in desk.rows("--group-by", "user")} == {
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
def test_log_groups_have_their_key_and_add_up(desk: Desk, group: str, sums: list[tuple[str, int, str]]) -> None:
    desk.import_and_sweep(
        saved(payment_id="a", **paid("25.00", "2020-04-08"), **desk.here),
        saved(payment_id="b", **paid("40.00", "2020-04-09", method="Check"), **desk.here),
        saved(payment_id="c", **paid("1.00", "2020-04-08", method="Check", charge_type="Supplies"), **desk.here),
    )

    rows = desk.rows("--group-by", group)

    named = [(key.format(clinic=desk.company), count, total) for key, count, total in sums]
    assert [tuple(row.values()) for row in rows] == named
    assert all(list(row) == [group, "count", "total"] for row in rows)
    assert "66.00" in desk.log("--group-by", group, form="table")


def test_expanded_log_shows_dates_of_service(desk: Desk) -> None:
    desk.import_and_sweep(
        charge("new", "15.00", date_of_service="2020-04-08", **desk.here),
        charge("old", "30.00", date_of_service="2020-03-02", **desk.here),
        saved(payment_id="a", **paid("25.00", "2020-04-08"), **desk.here),
        saved(payment_id="b", **paid("1.00", "2020-04-09"), charge_type="Supplies", **desk.here),
    )
    desk.distribute()

    first, second = desk.rows("--expand")

    assert list(first) == [*KEYS, "applied"]
    applied = [("2020-03-02", f"{desk.company}/old", "10.00"), ("2020-04-08", f"{desk.company}/new", "15.00")]
    assert first["applied"] == [
        {"date_of_service": day, "charge": key, "amount": amount} for day, key, amount in applied
    ]
    assert second["applied"] == [{"date_of_service": "2020-03-02", "charge": f"{desk.company}/old", "amount": "1.00"}]
    assert "2020-03-02: 10.00, 2020-04-08: 15.00" in " ".join(desk.log("--expand", form="table").split())
    (line, _) = csv.DictReader(desk.log("--expand", form="csv").splitlines())
    assert line["applied"].startswith(f"2020-03-02 {desk.company}/old 10.00,")


def test_expanded_log_shows_nothing_for_unapplied_entries(desk: Desk) -> None:
    desk.import_and_sweep(saved(**paid("25.00", "2020-04-08"), **desk.here))

    assert [row["applied"] for row in desk.rows("--expand")] == [[]]


def test_spreadsheet_has_typed_cells_and_no_formulas(desk: Desk, terminal: Terminal, tmp_path: Path) -> None:
    formula = f"=cmd|'/c calc'!A1-{desk.patient}"
    mine = desk.here | {"patient_id": formula}
    desk.import_and_sweep(
        patient(formula, company_id=desk.company),
        saved(payment_id="a", **paid("1025.50", "2020-04-08"), **mine),
        saved(payment_id="https://example.org", **paid("7.00", "2020-04-09"), **mine),
    )
    file = tmp_path / "april.xlsx"

    result = terminal.run("report", "payment-log", "--patient", formula, "--xlsx", str(file))

    assert (result.status, result.out) == (0, f"2 rows are in {file}.\n")
    head, first, second = spreadsheet(file)
    assert list(head.values()) == KEYS
    assert (first["D"], second["D"]) == (1025.5, 7)
    assert first["F"] == (date(2020, 4, 8) - DAY_ZERO).days
    assert (first["A"], first["B"]) == (f"{desk.company}/a/1", formula)
    assert second["A"] == f"{desk.company}/https://example.org/1"


def test_grouped_log_is_exported_as_spreadsheet(desk: Desk, tmp_path: Path) -> None:
    desk.import_and_sweep(saved(**paid("25.00", "2020-04-08"), **desk.here))
    file = tmp_path / "sums.xlsx"

    desk.log("--group-by", "charge_type", "--xlsx", str(file))

    head, row = spreadsheet(file)
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
        ("--as-of yesterday", "yesterday is not a time such as 2026-11-02T09:00:00Z"),
        ("--from 2020-05-01 --to 2020-04-01", "2020-04-01 is before --from 2020-05-01"),
        ("--group-by patient", "choose from: charge_type, deposit_date, method, clinic, user"),
    ],
)
def test_invalid_log_options_fail_with_one_line(terminal: Terminal, options: str, problem: str) -> None:
    result = terminal.run("report", "payment-log", *options.split())

    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
    assert problem in result.err


def spreadsheet(file: Path) -> list[dict[str, float | str]]:
    """Return the rows of a spreadsheet as cells by column. Assert that it contains no formula or link."""
    with ZipFile(file) as parts:
        shared = [
            "".join(text.itertext())
            for text in ElementTree.fromstring(parts.read("xl/sharedStrings.xml")).iter(f"{CELL}si")
        ]
        sheet = ElementTree.fromstring(parts.read("xl/worksheets/sheet1.xml"))
        assert not any("hyperlink" in name or "externalLink" in name for name in parts.namelist())
    assert list(sheet.iter(f"{CELL}f")) == []
    assert list(sheet.iter(f"{CELL}hyperlink")) == []
    return [
        {
            re.sub(r"\d", "", cell.attrib["r"]): shared[int(value)] if cell.get("t") == "s" else float(value)
            for cell in row.iter(f"{CELL}c")
            if (value := cell.findtext(f"{CELL}v")) is not None
        }
        for row in sheet.iter(f"{CELL}row")
    ]
