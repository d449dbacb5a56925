"""The ids of all PostgreSQL advisory locks of the project. Each lock is held until the end of its transaction.

No other module and no migration contains such an id. An id is never reused for another purpose, because processes of
the previous release run beside new ones during an upgrade.
"""

from enum import IntEnum

from payments.store.db.connection import Transaction
from payments.store.db.pipeline import Query
from payments.store.db.statement import text


class AdvisoryLock(IntEnum):
    """An advisory lock. The value is its id. For a lock per company, the value is the first half of the id."""

    MIGRATION = 7_250_001
    DISTRIBUTION = 7_250_002
    NIGHTLY_DISTRIBUTION = 7_250_003
    PARTITIONS = 7_250_004  # creating and dropping partitions
    MONTH_STATES = 7_250_005  # per company: changing the state of its months
    MONTH_ROWS = 7_250_006  # per company: a close waits for transactions that add a row to company_months
    DEAD_LETTER_RETRY = 7_250_007  # evaluating requeued dead letters again
    NIGHTLY_BALANCE = 7_250_008
    ADMISSION = 7_250_009  # shared by imports; retiring a company or clinic waits for them
    NIGHTLY_SNAPSHOT = 7_250_010
    MANUAL_ENTRY = 7_250_011  # per request key: the same request at the same time posts one entry
    REPAYMENT = 7_250_012  # per account, and per request key: its refunds and transfers are checked one after another
    DRAWER = 7_250_021  # per clinic: opening, locking and closing its drawers
    DEPOSIT = 7_250_022  # per clinic: making and reversing its deposits


def acquire(tx: Transaction, lock: AdvisoryLock) -> None:
    """Acquire an advisory lock (exclusive). Wait for the transaction that holds it."""
    tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": int(lock)})


def acquire_shared_query(lock: AdvisoryLock) -> Query[None]:
    """Return the query that acquires an advisory lock (shared).

    The query waits for a transaction that holds the lock exclusively.
    """
    return Query("SELECT pg_advisory_xact_lock_shared(:lock)", {"lock": int(lock)}, lambda _: None)


def acquire_for(tx: Transaction, lock: AdvisoryLock, company_id: str) -> None:
    """Acquire the advisory lock of one company (exclusive). Wait for the transaction that holds it."""
    key = {"lock": int(lock), "company_id": company_id}
    tx.execute(text("SELECT pg_advisory_xact_lock(CAST(:lock AS integer), hashtext(:company_id))"), key)


def try_acquire(tx: Transaction, lock: AdvisoryLock) -> bool:
    """Acquire an advisory lock (exclusive) if it is free. Return whether the lock was acquired."""
    return bool(tx.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": int(lock)}).scalar_one())
