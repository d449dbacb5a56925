"""The steps of `payments company import`: check the files, reserve row ids, insert and verify in one transaction."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from console.cli import export_folder
from console.cli.progress import progress_bar
from console.cli.session import current_user, open_database
from console.errors import CommandError

if TYPE_CHECKING:
    from payments.core.company_move import IdRange, Manifest
    from payments.store.db.connection import Database

_RESERVATIONS_MAX = 60


def import_folder(folder: Path) -> tuple[Manifest, bool]:
    """Import the company of an exported folder. Return the manifest, and whether this call imported the company.

    Raises CommandError if the folder is not a complete, undamaged export. Raises MoveError if the company cannot be
    imported here.
    """
    from payments.journeys import company_import
    from payments.store.db.connection import transaction

    manifest, who = export_folder.read_manifest(folder), current_user()
    with _progress("Checking", manifest) as on_bytes:
        export_folder.check_files(folder, manifest, on_bytes)
    with open_database() as database:
        with transaction(database) as tx:
            if not company_import.begin(tx, manifest, datetime.now(UTC), who):
                return manifest, False
        shifts = {table: _reserve(database, table, ids) for table, ids in manifest.ids.items()}
        with _progress("Importing", manifest) as on_bytes, transaction(database) as tx:
            now = datetime.now(UTC)
            if not company_import.begin_insert(tx, manifest, now, who):
                return manifest, False
            for each in manifest.tables:
                company_import.insert_rows(tx, manifest, each, export_folder.blocks(folder, each, on_bytes), shifts)
            company_import.verify(tx, manifest, now, who)
    return manifest, True


def _reserve(database: Database, table: str, ids: IdRange) -> int:
    """Reserve row ids of a table. An exported id plus the returned number is a reserved id.

    Other transactions that need new ids of the table wait during an attempt. So each attempt is short, and is repeated
    up to _RESERVATIONS_MAX times. Raises CommandError if all attempts fail.
    """
    from payments.journeys import company_import
    from payments.store.db.connection import is_transient, transaction

    for _ in range(_RESERVATIONS_MAX):
        try:
            with transaction(database) as tx:
                return company_import.reserve_row_ids(tx, table, ids)
        except Exception as error:
            if not is_transient(error):
                raise
    raise CommandError(f"no row ids of {table} could be reserved, because transactions hold its sequence; try it again")


@contextmanager
def _progress(label: str, manifest: Manifest) -> Iterator[Callable[[int], None]]:
    """Show how many bytes of an exported folder are processed. Yield a function that adds to this number."""
    done = 0
    with progress_bar(f"{label} {manifest.company_id}", sum(each.bytes for each in manifest.tables)) as update:

        def on_bytes(count: int) -> None:
            nonlocal done
            done += count
            update(done)

        yield on_bytes
