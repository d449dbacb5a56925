"""A company is exported while importers write its events. Each event is in the export, or is a late event."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from payments.store.db.connection import connect
from tests.builders.committed import CommittedLedger
from tests.builders.events import paid, saved_payment
from tests.console.cli.moves import Installation

pytestmark = pytest.mark.slow

IMPORTERS, AFTERWARDS = 3, 5


def import_until(installation: Installation, name: str, ended: threading.Event) -> list[str]:
    """Import payments one by one until `ended` is set, and then AFTERWARDS more. Return the ids of all payments."""
    database = connect(installation.url, application_name="tests", pool_size=1)
    ledger, sent, after = CommittedLedger(database), list[str](), 0
    while after < AFTERWARDS:
        after += ended.is_set()
        payment_id = f"{name}-{len(sent)}"
        ledger.import_events(saved_payment(payment_id=payment_id, company_id="acme", **paid("1.00", "2020-06-03")))
        sent.append(payment_id)
    database.dispose()
    return sent


def test_event_imported_during_an_export_is_either_exported_or_late(
    installations: tuple[Installation, Installation], tmp_path: Path
) -> None:
    old, new = installations
    ended = threading.Event()
    with ThreadPoolExecutor() as pool:
        importers = [pool.submit(import_until, old, f"importer-{number}", ended) for number in range(IMPORTERS)]
        old.run("company", "export", "acme", "--to", tmp_path / "acme")
        ended.set()
        sent = [payment_id for importer in importers for payment_id in importer.result()]
    new.import_folder(tmp_path / "acme")

    query = "SELECT payment_id FROM lines JOIN entries ON line_ref = lines.id WHERE lines.payment_id LIKE 'importer-%'"
    moved, kept = ([payment_id for (payment_id,) in each.rows(query)] for each in (new, old))
    late = [json.loads(event)["payment_id"] for event in old.succeed("company", "late-events", "acme").splitlines()]
    assert len(late) >= IMPORTERS * AFTERWARDS
    assert moved
    assert sorted(moved + late) == sorted(sent)
    assert sorted(moved) == sorted(kept)
