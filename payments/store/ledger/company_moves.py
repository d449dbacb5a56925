"""The state of a company's move to or from another installation. The columns `move_...` of `companies` hold it."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from payments.core.company_move import MoveState
from payments.store.db.conditions import HAS_MOVED
from payments.store.db.connection import Transaction
from payments.store.db.statement import text


class CompanyMove(NamedTuple):
    """The state of a company's move to or from another installation. All fields are None if the company never moved."""

    state: MoveState | None
    move_id: UUID | None
    moved_at: datetime | None
    moved_by: str | None


def lock(tx: Transaction, company_id: str) -> CompanyMove | None:
    """Lock a company and return its move, or None if Billing does not have the company.

    Locks: its row FOR NO KEY UPDATE.
    """
    found = tx.execute(
        text(
            "SELECT move_state, move_id, moved_at, moved_by FROM companies WHERE company_id = :company_id "
            "FOR NO KEY UPDATE"
        ),
        {"company_id": company_id},
    )
    row = found.one_or_none()
    if row is None:
        return None
    return CompanyMove(row.move_state and MoveState(row.move_state), row.move_id, row.moved_at, row.moved_by)


def load_state(tx: Transaction, company_id: str) -> MoveState | None:
    """Return the state of a company's move, or None if the company never moved or does not exist. Takes no lock."""
    query = "SELECT move_state FROM companies WHERE company_id = :company_id"
    state = tx.execute(text(query), {"company_id": company_id}).scalar_one_or_none()
    return MoveState(state) if state else None


def has_not_moved(tx: Transaction, company_id: str) -> bool:
    """Return whether the rows of a company may change here: the company is neither LEFT nor ARRIVING. Takes no lock."""
    return load_state(tx, company_id) not in {MoveState.LEFT, MoveState.ARRIVING}


def set_move(tx: Transaction, company_id: str, move: CompanyMove) -> None:
    """Store the move of a company. If the company does not exist, it is created. Locks: its row."""
    tx.execute(
        text(
            "INSERT INTO companies (company_id, move_state, move_id, moved_at, moved_by) "
            "VALUES (:company_id, :state, :move_id, :moved_at, :moved_by) ON CONFLICT (company_id) DO UPDATE SET "
            "move_state = excluded.move_state, move_id = excluded.move_id, moved_at = excluded.moved_at, "
            "moved_by = excluded.moved_by"
        ),
        move._asdict() | {"company_id": company_id},
    )


def clear_arrival(tx: Transaction, company_id: str) -> None:
    """Clear the state of a company if it is ARRIVING. Locks: the row of such a company.

    Waits for a running import of the company.
    """
    tx.execute(
        text(
            "UPDATE companies SET move_state = NULL, move_id = NULL, moved_at = NULL, moved_by = NULL "
            "WHERE company_id = :company_id AND move_state = 'arriving'"
        ),
        {"company_id": company_id},
    )


def assign_transaction_id(tx: Transaction) -> str:
    """Assign an id to this transaction, and return it. A transaction that began writing earlier has a lower id."""
    return str(tx.execute(text("SELECT pg_current_xact_id()::text")).scalar_one())


def has_older_writer(tx: Transaction, transaction_id: str) -> bool:
    """Return whether a transaction with a lower id than `transaction_id` is still writing."""
    query = "SELECT pg_snapshot_xmin(pg_current_snapshot()) < CAST(:id AS xid8)"
    return bool(tx.execute(text(query), {"id": transaction_id}).scalar_one())


def moved_companies(tx: Transaction) -> set[str]:
    """Return the companies whose data are in another installation, or are still being imported. Takes no lock."""
    return set(tx.execute(text(f"SELECT company_id FROM companies WHERE {HAS_MOVED}")).scalars())
