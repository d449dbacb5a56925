"""Export a company, to move it to another installation.

`mark_left` freezes the company's rows. When all older transactions have ended, the rows are copied in one snapshot.
Events of other companies are imported meanwhile. Until the company is imported elsewhere, the copy can be repeated.
Every copy has the same payments. `cancel_move` cancels the move.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from payments.access import audit
from payments.access.audit import AuditEntry
from payments.core.company_move import ExportedTable, Manifest, MoveError, MoveState
from payments.store.db.advisory_locks import AdvisoryLock, acquire
from payments.store.db.connection import Transaction
from payments.store.feed import dead_letters
from payments.store.feed.dead_letters import RefusedEvent
from payments.store.ledger import company_moves
from payments.store.ledger.company_moves import CompanyMove
from payments.store.moving import copying, ledger_figures, row_ids
from payments.store.moving.moved_tables import MOVED_TABLES, columns_of

__all__ = ["MoveError", "RefusedEvent"]

CLOCK_DIFFERENCE_MAX = timedelta(hours=1)
"""The largest expected difference between the clocks of a worker and of the exporting machine. `late_events` also
returns the events that were refused up to this time before the export. Publishing an event twice does no harm."""


def check_has_company(tx: Transaction, company_id: str) -> None:
    """Raise MoveError unless this installation has the company and may export it.

    Locks the company's row.
    """
    ledger_figures.schema_version(tx)
    _lock_company(tx, company_id)


def check_is_current_move(tx: Transaction, company_id: str, move_id: UUID) -> None:
    """Raise MoveError unless `move_id`, which was read from an export, is the company's current move.

    Locks the company's row.
    """
    move = _lock_company(tx, company_id)
    if (move.state, move.move_id) != (MoveState.LEFT, move_id):
        raise MoveError(f"the directory holds an earlier export of company {company_id}; choose another directory")


def mark_left(tx: Transaction, company_id: str, now: datetime, who: str) -> UUID:
    """Mark a company as LEFT, and return the id of its move. A second call changes nothing.

    From the commit on, the company's events are Not Sent (`unknown_company`), sweeps omit its rows, and PostgreSQL
    refuses changes of these rows by users. After the commit, wait until `has_older_writer` returns False.

    Waits for running imports. New imports wait for the commit. Adds the export to the audit history.

    Locks: ADMISSION, then the company's row. Raises MoveError if Billing does not have the company, or if it is being
    imported.
    """
    acquire(tx, AdvisoryLock.ADMISSION)
    move = _lock_company(tx, company_id)
    if move.state is MoveState.LEFT and move.move_id:
        return move.move_id
    move_id = uuid4()
    company_moves.set_move(tx, company_id, CompanyMove(MoveState.LEFT, move_id, now, who))
    audit.add(tx, AuditEntry(now, who, "exported company", company_id, company_id=company_id))
    return move_id


def cancel_move(tx: Transaction, company_id: str, now: datetime, who: str) -> None:
    """Cancel the move of a company that has left. Its events are imported here again, and its rows may change.

    Adds the change to the audit history. Locks: ADMISSION, then the company's row. Raises MoveError if the company has
    not left.
    """
    acquire(tx, AdvisoryLock.ADMISSION)
    if _lock_company(tx, company_id).state is not MoveState.LEFT:
        raise MoveError(f"company {company_id} has not left this installation; nothing was changed")
    company_moves.set_move(tx, company_id, CompanyMove(None, None, None, None))
    audit.add(tx, AuditEntry(now, who, "cancelled export of company", company_id, company_id=company_id))


def assign_transaction_id(tx: Transaction) -> str:
    """Assign an id to this transaction, and return it for `has_older_writer`.

    Call it in a new transaction after the commit of `mark_left`.
    """
    return company_moves.assign_transaction_id(tx)


def has_older_writer(tx: Transaction, transaction_id: str) -> bool:
    """Return whether a transaction with a lower id than `transaction_id` is still writing.

    Such a transaction may not have seen that the company has left, and may still change the company's rows.
    """
    return company_moves.has_older_writer(tx, transaction_id)


def begin_copy(tx: Transaction) -> list[str]:
    """Prepare a snapshot transaction for `copy_rows`. Return the names of the tables to copy."""
    copying.prepare(tx)
    return list(MOVED_TABLES)


def copy_rows(tx: Transaction, table: str, company_id: str) -> Iterator[bytes]:
    """Yield a company's rows of a table in the text format of COPY, in blocks of whole rows."""
    return copying.copy_out(tx, table, company_id)


def copied_columns(table: str) -> tuple[str, ...]:
    """Return the names of the columns that `copy_rows` copies, in the same order."""
    return columns_of(MOVED_TABLES[table])


def build_manifest(
    tx: Transaction, move: tuple[str, UUID], tables: Iterable[ExportedTable], now: datetime, who: str
) -> Manifest:
    """Return the manifest of an export. `tables` are the tables that were copied in this snapshot transaction.

    `move` is the company's id and the id of its move. Raises MoveError if a closed month differs from the totals that
    its close stored.
    """
    company_id, move_id = move
    return Manifest(
        company_id=company_id,
        move_id=move_id,
        schema=ledger_figures.schema_version(tx),
        exported_at=now,
        exported_by=who,
        tables=tuple(tables),
        ids=row_ids.id_ranges(tx, company_id),
        ledger=ledger_figures.load_ledger(tx, company_id),
    )


def late_events(tx: Transaction, company_id: str) -> list[RefusedEvent]:
    """Return the events that were refused here because the company has left, as they were published, oldest first.

    Invalid events are omitted, because the new installation would reject them as well. Raises MoveError if the company
    has not left.
    """
    move = _lock_company(tx, company_id)
    if move.state is not MoveState.LEFT or move.moved_at is None:
        raise MoveError(f"company {company_id} has not left this installation")
    return dead_letters.refused_since(tx, company_id, move.moved_at - CLOCK_DIFFERENCE_MAX)


def _lock_company(tx: Transaction, company_id: str) -> CompanyMove:
    move = company_moves.lock(tx, company_id)
    if move is None:
        raise MoveError(f"Billing has no company {company_id}")
    if move.state is MoveState.ARRIVING:
        raise MoveError(f"company {company_id} is being imported here; finish `payments company import` first")
    return move
