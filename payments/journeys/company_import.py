"""Import a company that another installation has exported.

`begin` marks the company as ARRIVING, so that its events are not imported meanwhile. `reserve_row_ids` reserves free
ids for its rows. Then one transaction calls `begin_insert`, inserts the rows of all tables with `insert_rows`, and
calls `verify`. Therefore either all rows of the company are inserted, or none.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from payments.access import audit
from payments.access.audit import AuditEntry
from payments.core.company_move import ExportedTable, IdRange, Manifest, MoveError, MoveState, check_ledger
from payments.store.db.advisory_locks import AdvisoryLock, acquire
from payments.store.db.connection import Transaction
from payments.store.ledger import company_moves
from payments.store.ledger.company_moves import CompanyMove
from payments.store.moving import copying, ledger_figures, row_ids
from payments.store.moving.moved_tables import MOVED_TABLES, columns_of

_ID_MAX = 2**62
"""The highest row id to import. Higher ids would leave too few ids for later rows."""


def begin(tx: Transaction, manifest: Manifest, now: datetime, who: str) -> bool:
    """Mark the company as ARRIVING. Return False if the rows of this move are already imported.

    Until the import has ended, the company's events are Not Sent (`unknown_company`) and can be requeued. Waits for
    running imports of events. New imports of events wait for the commit.

    Locks: ADMISSION, then the company's row. Raises MoveError if the database schemas differ, or if this installation
    has data of the company.
    """
    schema = ledger_figures.schema_version(tx)
    if schema != manifest.schema:
        raise MoveError(
            f"the schema is at version {schema} here and at {manifest.schema} in the export; "
            "bring both installations to the same release"
        )
    _check_tables(manifest)
    acquire(tx, AdvisoryLock.ADMISSION)
    present = company_moves.lock(tx, manifest.company_id)
    if present and present.state is MoveState.ARRIVED and present.move_id == manifest.move_id:
        return False
    if present and present.state is MoveState.LEFT:
        command = f"payments company cancel-export {manifest.company_id}"
        raise MoveError(
            f"company {manifest.company_id} was exported from this installation and cannot be imported here; "
            f"to keep it, run `{command}`"
        )
    if ledger_figures.has_data(tx, manifest.company_id):
        raise MoveError(
            f"company {manifest.company_id} already has data here; import it into an installation without this company"
        )
    company_moves.set_move(tx, manifest.company_id, _move(MoveState.ARRIVING, manifest, now, who))
    return True


def reserve_row_ids(tx: Transaction, table: str, ids: IdRange) -> int:
    """Reserve row ids of a table for `ids`, the id range of the exported rows. Return the number to add to each row id.

    The caller commits immediately (see `row_ids.reserve`).
    """
    return row_ids.reserve(tx, table, ids)


def begin_insert(tx: Transaction, manifest: Manifest, now: datetime, who: str) -> bool:
    """Begin the transaction that inserts the rows, and mark the company as ARRIVED.

    Returns False if another transaction has already inserted the rows. Locks the company's row until the commit. Raises
    MoveError if the company is no longer ARRIVING.
    """
    present = company_moves.lock(tx, manifest.company_id)
    state = present.state if present and present.move_id == manifest.move_id else None
    if state is MoveState.ARRIVED:
        return False
    if state is not MoveState.ARRIVING:
        raise MoveError(
            f"the import of company {manifest.company_id} was cancelled by another command; nothing was imported"
        )
    copying.prepare(tx)
    company_moves.set_move(tx, manifest.company_id, _move(MoveState.ARRIVED, manifest, now, who))
    return True


def insert_rows(
    tx: Transaction, manifest: Manifest, exported: ExportedTable, blocks: Iterable[bytes], shifts: Mapping[str, int]
) -> None:
    """Insert the rows of an exported table. `blocks` are the rows as `company_export.copy_rows` yielded them.

    `shifts` maps the name of each table to the result of `reserve_row_ids`.

    Raises MoveError if rows are missing, or if a row belongs or refers to another company.
    """
    count = copying.copy_in(tx, manifest, exported, blocks, shifts)
    if count != exported.rows:
        raise MoveError(f"{exported.table}: {count:,} rows of {exported.rows:,} were inserted; nothing was imported")


def verify(tx: Transaction, manifest: Manifest, now: datetime, who: str) -> None:
    """Check that the ledger's totals equal those of the export, and that closed months equal their stored totals.

    Adds the import to the audit history. Raises MoveError if totals differ.
    """
    check_ledger(manifest.ledger, ledger_figures.load_ledger(tx, manifest.company_id))
    detail = f"{manifest.rows} rows exported on {manifest.exported_at:%Y-%m-%d %H:%M:%S%z}"
    company_id = manifest.company_id
    audit.add(tx, AuditEntry(now, who, "imported company", company_id, detail, company_id=company_id))


def _move(state: MoveState, manifest: Manifest, now: datetime, who: str) -> CompanyMove:
    return CompanyMove(state, manifest.move_id, now, who)


def _check_tables(manifest: Manifest) -> None:
    expected = [(name, columns_of(table)) for name, table in MOVED_TABLES.items()]
    if [(each.table, each.columns) for each in manifest.tables] != expected:
        raise MoveError("the export has other tables or columns than this release; use the same release on both sides")
    if not all(0 < ids.first <= ids.last <= _ID_MAX for ids in manifest.ids.values()):
        raise MoveError("the manifest is damaged: invalid range of row ids; export the company again")
