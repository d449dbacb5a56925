"""`payments company export` and `import` refuse to lose, change or overwrite data."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from console.cli import export_folder
from payments.contract.money import ZERO
from payments.core.company_move import IdRange
from tests.builders.every_row import add_company_with_every_row
from tests.console.cli.moves import Installation, company_rows

pytestmark = pytest.mark.slow

Installations = tuple[Installation, Installation]


def test_damaged_file_is_refused(installations: Installations, tmp_path: Path) -> None:
    old, new = installations
    folder = tmp_path / "acme"
    old.export("acme", folder)
    entries = folder / "entries.copy"
    entries.write_bytes(entries.read_bytes().replace(b"Copay", b"Other", 1))

    assert "entries.copy is damaged: its checksum differs" in new.fail("company", "import", folder)
    entries.unlink()
    assert "entries.copy is missing" in new.fail("company", "import", folder)
    assert new.rows("SELECT * FROM companies") == []


def test_damaged_manifest_is_refused(installations: Installations, tmp_path: Path) -> None:
    old, new = installations
    old.export("acme", tmp_path)
    manifest = tmp_path / export_folder.MANIFEST
    written = manifest.read_text()

    manifest.write_text(written.replace('"entries": 1', '"entries": 2', 1))
    assert "the manifest is damaged: its checksum differs" in new.fail("company", "import", tmp_path)
    manifest.write_text(written[:-20])
    assert "the manifest is damaged (JSONDecodeError)" in new.fail("company", "import", tmp_path)


def test_ledger_that_differs_from_the_manifest_is_refused(installations: Installations, tmp_path: Path) -> None:
    old, new = installations
    folder = tmp_path / "acme"
    old.export("acme", folder)
    manifest = export_folder.read_manifest(folder)
    first, *others = manifest.ledger.days
    other_ledger = manifest.ledger._replace(days=(first._replace(total=ZERO), *others))
    export_folder.finish(folder, manifest._replace(ledger=other_ledger))

    assert "deposit date 2020-04-08: the totals differ" in new.fail("company", "import", folder)
    assert all(rows == [] for name, rows in company_rows(new, "acme").items() if name != "companies")


def test_company_with_a_damaged_closed_month_is_not_exported(installations: Installations, tmp_path: Path) -> None:
    old, _ = installations
    with old.database.begin() as owner:
        owner.exec_driver_sql("ALTER TABLE company_months DISABLE TRIGGER USER")
        owner.exec_driver_sql("UPDATE company_months SET payments_total = 1 WHERE month = '2020-04-01'")
        owner.exec_driver_sql("ALTER TABLE company_months ENABLE TRIGGER USER")

    error = old.fail("company", "export", "acme", "--to", tmp_path / "acme")

    assert "2020-04: the entries of this closed month differ from the totals stored at its close" in error
    assert "holds an unfinished export" in old.fail("company", "import", tmp_path / "acme")


def test_directory_with_other_content_is_not_overwritten(installations: Installations, tmp_path: Path) -> None:
    old, _ = installations
    old.export("other", tmp_path / "other")
    (tmp_path / "notes.txt").write_text("mine")
    before = (tmp_path / "other" / export_folder.MANIFEST).read_text()

    assert "holds the export of company other" in old.fail("company", "export", "acme", "--to", tmp_path / "other")
    assert "is not empty" in old.fail("company", "export", "acme", "--to", tmp_path)
    assert (tmp_path / "other" / export_folder.MANIFEST).read_text() == before
    assert old.rows("SELECT move_state FROM companies WHERE company_id = 'acme'") == [(None,)]


def test_company_with_data_here_is_not_overwritten(installations: Installations, tmp_path: Path) -> None:
    old, new = installations
    add_company_with_every_row(new.database, "acme")
    before = company_rows(new, "acme")
    old.export("acme", tmp_path / "acme")

    assert "company acme already has data here" in new.fail("company", "import", tmp_path / "acme")
    assert "company acme was exported from this installation" in old.fail("company", "import", tmp_path / "acme")
    assert company_rows(new, "acme") == before


def test_export_waits_until_the_events_of_the_company_are_imported(
    installations: Installations, tmp_path: Path, feed: redis.Redis
) -> None:
    old, _ = installations
    feed.xadd("emr:payments", {"event": b'{"company_id": "other"}'})
    feed.xadd("emr:payments", {"event": rb'{"company_id": "\u0061cme"}'})

    error = old.fail("company", "export", "acme", "--to", tmp_path / "acme", "--wait", "0")

    assert "events of company acme are still on the feed after 0 s" in error
    assert old.rows("SELECT move_state FROM companies WHERE company_id = 'acme'") == [(None,)]
    feed.delete("emr:payments")
    feed.xadd("emr:payments", {"event": b'{"company_id": "other"}'})
    assert old.export("acme", tmp_path / "acme")["state"] == "exported"


def rewrite_export(folder: Path, table: str, change: Callable[[dict[str, bytes]], None]) -> None:
    """Change the first row of a table in an export, and write a manifest that matches the changed file."""
    manifest = export_folder.read_manifest(folder)
    exported = next(each for each in manifest.tables if each.table == table)
    path = folder / f"{table}.copy"
    first, *others = path.read_bytes().splitlines(keepends=True)
    row = dict(zip(exported.columns, first.rstrip(b"\n").split(b"\t"), strict=True))
    change(row)
    written = b"\t".join(row.values()) + b"\n" + b"".join(others)
    path.write_bytes(written)
    fitting = exported._replace(bytes=len(written), sha256=hashlib.sha256(written).hexdigest())
    tables = tuple(fitting if each is exported else each for each in manifest.tables)
    export_folder.finish(folder, manifest._replace(tables=tables))


@pytest.mark.parametrize("table", ["companies", "lines", "entries", "audit"])
def test_row_of_another_company_is_refused(installations: Installations, tmp_path: Path, table: str) -> None:
    old, new = installations
    add_company_with_every_row(new.database, "other")
    old.export("acme", tmp_path / "acme")
    before = company_rows(new, "other")

    rewrite_export(tmp_path / "acme", table, lambda row: row.update(company_id=b"other"))

    error = new.fail("company", "import", tmp_path / "acme")
    assert f"{table}: a row belongs to another company than acme; nothing was imported" in error
    assert company_rows(new, "other") == before


@pytest.mark.parametrize(("table", "column"), [("lines", "id"), ("history", "line_ref"), ("lines_was", "id")])
def test_row_id_outside_of_the_manifest_is_refused(
    installations: Installations, tmp_path: Path, table: str, column: str
) -> None:
    old, new = installations
    old.export("acme", tmp_path / "acme")
    last = max(ids.last for ids in export_folder.read_manifest(tmp_path / "acme").ids.values())

    rewrite_export(tmp_path / "acme", table, lambda row: row.update({column: str(last + 1).encode()}))

    error = new.fail("company", "import", tmp_path / "acme")
    assert f"{table}: {column} is outside of the ids that the manifest names; nothing was imported" in error


@pytest.mark.parametrize("ids", [IdRange(0, 5), IdRange(2_000, 5), IdRange(1, 2**63 - 1)])
def test_impossible_range_of_row_ids_is_refused(installations: Installations, tmp_path: Path, ids: IdRange) -> None:
    old, new = installations
    old.export("acme", tmp_path / "acme")
    manifest = export_folder.read_manifest(tmp_path / "acme")
    export_folder.finish(tmp_path / "acme", manifest._replace(ids={**manifest.ids, "lines": ids}))

    assert "the manifest is damaged: invalid range of row ids" in new.fail("company", "import", tmp_path / "acme")
