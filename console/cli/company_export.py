"""The steps of `payments company export`: wait for the feed, mark the company as moved, and copy its rows to files."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from console.cli import export_folder
from console.cli.progress import counter, spinner
from console.cli.session import CliContext, current_context, current_user, open_database, open_transaction
from console.errors import CommandError

if TYPE_CHECKING:
    from payments.core.company_move import Manifest
    from payments.journeys.company_export import RefusedEvent
    from payments.store.db.connection import Database

_POLL_SECONDS = 0.1
_OLDER_WRITERS_SECONDS = 120


def export(company_id: str, folder: Path, wait_seconds: float) -> tuple[Manifest, bool]:
    """Export a company to a folder. Return the manifest, and whether this call wrote the folder.

    Raises MoveError if the company cannot be exported. Raises CommandError if the folder holds something else, or if
    events of the company are still on the feed after `wait_seconds`. In these cases nothing was changed.
    """
    from payments.journeys import company_export
    from payments.store.db.connection import transaction

    context = current_context()
    with open_database(context.engines) as database:
        with transaction(database) as tx:
            company_export.check_has_company(tx, company_id)
        before = export_folder.begin(folder, company_id)
        if before is None:
            _wait_until_imported(context, company_id, wait_seconds)
        with transaction(database) as tx:
            if before is not None:
                company_export.check_is_current_move(tx, company_id, before.move_id)
                return before, False
            move_id = company_export.mark_left(tx, company_id, datetime.now(UTC), current_user())
        _wait_for_older_writers(database)
        return _copy_rows(database, (company_id, move_id), folder), True


def keep_company(company_id: str) -> None:
    """Cancel the move of a company. Raises MoveError if the company was not exported."""
    from payments.journeys import company_export

    with open_transaction() as tx:
        company_export.cancel_move(tx, company_id, datetime.now(UTC), current_user())


def late_events(company_id: str) -> list[RefusedEvent]:
    """Return the events that arrived after the company was exported.

    Raises MoveError if the company was not exported.
    """
    from payments.journeys import company_export

    with open_transaction() as tx:
        return company_export.late_events(tx, company_id)


def _wait_until_imported(context: CliContext, company_id: str, wait_seconds: float) -> None:
    from tasks.feed.company_entries import has_entry
    from tasks.feed.streams import Streams
    from tasks.resources import connect_redis

    with closing(connect_redis(context.engines.redis_url)) as client, spinner("Waiting for the company's last events"):
        feed = Streams.from_settings(client, context.settings)
        if not _wait_until(lambda: not has_entry(feed, company_id), wait_seconds):
            raise CommandError(
                f"events of company {company_id} are still on the feed after {wait_seconds:g} s; pause its publisher, "
                "and repeat the export when they are imported. Nothing was changed"
            )


def _wait_for_older_writers(database: Database) -> None:
    """Wait for the transactions that began before the company was marked as moved. These can still change its rows.

    Raises CommandError if one of them runs for more than _OLDER_WRITERS_SECONDS.
    """
    from payments.journeys import company_export
    from payments.store.db.connection import transaction

    with transaction(database) as tx:
        own = company_export.assign_transaction_id(tx)

    def is_alone() -> bool:
        with transaction(database) as tx:
            return not company_export.has_older_writer(tx, own)

    with spinner("Waiting for transactions in progress"):
        if not _wait_until(is_alone, _OLDER_WRITERS_SECONDS):
            raise CommandError(
                f"a transaction has been writing for more than {_OLDER_WRITERS_SECONDS} s; "
                "repeat the export when it has ended"
            )


def _copy_rows(database: Database, move: tuple[str, UUID], folder: Path) -> Manifest:
    from payments.journeys import company_export
    from payments.store.db.connection import snapshot_transaction

    done = 0
    with counter(f"Exporting {move[0]}", "bytes") as progress, snapshot_transaction(database) as tx:

        def on_bytes(count: int) -> None:
            nonlocal done
            done += count
            progress(done)

        now = datetime.now(UTC)
        tables = [
            export_folder.write_table(
                folder,
                (table, company_export.copied_columns(table)),
                company_export.copy_rows(tx, table, move[0]),
                on_bytes,
            )
            for table in company_export.begin_copy(tx)
        ]
        manifest = company_export.build_manifest(tx, move, tables, now, current_user())
    export_folder.finish(folder, manifest)
    return manifest


def _wait_until(is_done: Callable[[], bool], seconds: float) -> bool:
    """Poll `is_done` until it returns True or `seconds` have passed. Return its last result."""
    deadline = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
