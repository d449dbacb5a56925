"""`payments company export` and `import`: all rows of a company move, and no row of another company moves."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from console.cli import export_folder
from payments.contract.stream_entry import StreamEntry
from payments.journeys import company_import, importing
from payments.store.db.connection import transaction
from payments.store.moving.moved_tables import MOVED_TABLES
from tests.builders.committed import CommittedLedger
from tests.builders.events import paid, payment_fields, run_context, saved_payment
from tests.builders.every_row import add_company_with_every_row
from tests.console.cli.moves import Installation, company_rows, interrupt, referenced_rows, without_audit

pytestmark = pytest.mark.slow

Installations = tuple[Installation, Installation]


def test_moved_company_has_the_same_rows_and_reports(installations: Installations, tmp_path: Path) -> None:
    old, new = installations
    before, reports = company_rows(old, "acme"), old.reports("acme")
    assert [name for name, rows in before.items() if not rows] == []

    exported = old.export("acme", tmp_path / "acme")
    imported = new.import_folder(tmp_path / "acme")

    after = company_rows(new, "acme")
    assert (exported.pop("state"), imported.pop("state")) == ("exported", "imported")
    assert exported == imported
    assert new.reports("acme") == reports
    assert old.reports("acme") == reports
    assert without_audit(after) == without_audit(before)
    actions = [action for (action,) in new.rows("SELECT action FROM audit ORDER BY id")]
    assert actions[-2:] == ["exported company", "imported company"]
    assert len(actions) == len(before["audit"]) + 2
    assert all(referenced_rows(new, "acme").values())
    assert referenced_rows(new, "acme") == referenced_rows(old, "acme")


def test_no_row_of_another_company_moves_or_changes(installations: Installations, tmp_path: Path) -> None:
    old, new = installations
    before = company_rows(old, "other")

    old.export("acme", tmp_path / "acme")
    new.import_folder(tmp_path / "acme")

    assert company_rows(old, "other") == before
    assert all(rows == [] for rows in company_rows(new, "other").values())


def test_arriving_company_gets_new_row_ids(installations: Installations, tmp_path: Path) -> None:
    old, new = installations
    for company_id in ("third", "fourth"):
        add_company_with_every_row(new.database, company_id)
    third, before = company_rows(new, "third"), company_rows(old, "acme")

    old.export("acme", tmp_path / "acme")
    new.import_folder(tmp_path / "acme")

    after = company_rows(new, "acme")
    assert company_rows(new, "third") == third
    assert without_audit(after) == without_audit(before)
    assert referenced_rows(new, "acme") == referenced_rows(old, "acme")
    for name in ("lines", "set_aside", "findings", "entries", "allocations", "history", "audit"):
        assert new.rows(f"SELECT id FROM {name} GROUP BY id HAVING count(*) > 1") == [], name
    # The next row of each table gets an id that no row has.
    add_company_with_every_row(new.database, "fifth")
    assert new.rows("SELECT id FROM lines GROUP BY id HAVING count(*) > 1") == []


def test_repeated_export_and_import_change_nothing(installations: Installations, tmp_path: Path) -> None:
    old, new = installations
    folder = tmp_path / "acme"
    old.export("acme", folder)
    manifest = (folder / export_folder.MANIFEST).read_text()
    assert old.export("acme", folder)["state"] == "exported before"
    assert (folder / export_folder.MANIFEST).read_text() == manifest

    new.import_folder(folder)
    after = company_rows(new, "acme")
    assert new.import_folder(folder)["state"] == "imported before"
    assert company_rows(new, "acme") == after


def test_interrupted_export_can_be_repeated(
    installations: Installations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = installations
    folder = tmp_path / "acme"
    with monkeypatch.context() as patched:
        patched.setattr(export_folder, "finish", interrupt)
        assert old.run("company", "export", "acme", "--to", folder)[0] == 1
    assert len(list(folder.glob("*.copy"))) == len(MOVED_TABLES)
    assert "an unfinished export; repeat" in new.fail("company", "import", folder)

    assert old.export("acme", folder)["state"] == "exported"
    assert new.import_folder(folder)["state"] == "imported"


def test_interrupted_import_can_be_repeated(
    installations: Installations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = installations
    before = company_rows(old, "acme")
    old.export("acme", tmp_path / "acme")
    with monkeypatch.context() as patched:
        patched.setattr(company_import, "verify", interrupt)
        assert new.run("company", "import", tmp_path / "acme")[0] == 1
    assert all(rows == [] for name, rows in company_rows(new, "acme").items() if name != "companies")
    assert new.rows("SELECT move_state FROM companies") == [("arriving",)]

    assert new.import_folder(tmp_path / "acme")["state"] == "imported"
    assert company_rows(new, "acme")["entries"] == before["entries"]


def test_event_that_arrived_before_its_dead_letter_moved_is_stored_once(
    installations: Installations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = installations
    before = company_rows(old, "acme")["set_aside"]
    ((body,),) = old.rows("SELECT body FROM set_aside WHERE company_id = 'acme' AND payment_id = 'conflict'")
    old.export("acme", tmp_path / "acme")
    early = saved_payment(payment_id="early", company_id="acme")
    with monkeypatch.context() as patched:
        patched.setattr(company_import, "verify", interrupt)
        new.run("company", "import", tmp_path / "acme")
    CommittedLedger(new.database).import_events(bytes(body), early)

    new.import_folder(tmp_path / "acme")

    found = company_rows(new, "acme")["set_aside"]
    assert [row for row in found if row in before] == before
    assert len(found) == len(before) + 1
    assert referenced_rows(new, "acme")["findings "] == referenced_rows(old, "acme")["findings "]


def test_late_events_of_a_moved_company_are_printed_for_publishing(
    installations: Installations, tmp_path: Path
) -> None:
    old, new = installations
    old.export("acme", tmp_path / "acme")
    late = saved_payment(payment_id="late", company_id="acme", **paid("3.00", "2020-06-03"))
    CommittedLedger(old.database).import_events(late)
    new.import_folder(tmp_path / "acme")

    (printed,) = old.succeed("company", "late-events", "acme").encode().splitlines()
    CommittedLedger(new.database).import_events(printed)

    query = "SELECT amount::text FROM entries JOIN lines ON lines.id = line_ref WHERE payment_id = 'late'"
    assert (old.rows(query), new.rows(query)) == ([], [("3.00",)])
    warned = old.run("company", "export", "acme", "--to", tmp_path / "acme")
    assert "1 event of company acme arrived after the export and became Not Sent" in warned.err


def test_late_events_keep_line_ends_and_signatures_when_they_are_published(
    installations: Installations, tmp_path: Path, feed: redis.Redis
) -> None:
    old, _ = installations
    old.export("acme", tmp_path / "acme")
    fields = payment_fields(payment_id="late", company_id="acme", memo="one line")
    unsigned = json.dumps(fields, indent=2).replace("\n", "\r\n").encode()
    signed = json.dumps(fields | {"payment_id": "signed"}, indent=4).encode() + b"\n"
    with transaction(old.database) as tx:
        importing.import_events(
            tx, [StreamEntry("9-1", unsigned), StreamEntry("9-2", signed, "2026-10:5f")], run_context(datetime.now(UTC))
        )

    (tmp_path / "late.jsonl").write_text(old.succeed("company", "late-events", "acme"))
    old.succeed("emr", "publish", tmp_path / "late.jsonl")

    # Both were received at the same time, so either may be first.
    first, second = sorted((entry for _, entry in feed.xrange("emr:payments")), key=len)
    assert (json.loads(first[b"event"]), first.keys()) == (fields, {b"event"})
    assert second == {b"event": signed, b"signature": b"2026-10:5f"}


def test_company_stays_after_its_export_is_cancelled(installations: Installations, tmp_path: Path) -> None:
    old, _ = installations
    old.export("acme", tmp_path / "acme")
    assert "acme" not in old.succeed("company", "list")

    assert old.succeed("company", "cancel-export", "acme") == (
        "Export of company acme cancelled. Its events are imported here again.\n"
    )

    assert "acme" in old.succeed("company", "list")
    assert "has not left this installation" in old.fail("company", "late-events", "acme")
    # The rows may change again, so the export is not used any more.
    assert "holds an earlier export of company acme" in old.fail("company", "export", "acme", "--to", tmp_path / "acme")
