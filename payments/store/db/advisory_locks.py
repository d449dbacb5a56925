"""The ids of all PostgreSQL advisory locks of the project. Each is held until the end of its transaction."""

from enum import IntEnum

from payments.store.db.connection import Transaction
from payments.store.db.statement import text


class AdvisoryLock(IntEnum):
    """What an advisory lock serializes."""

    MIGRATION = 7_250_001
    DISTRIBUTION = 7_250_002  # make_partitions() and drop_partitions() take it too (migration 0012)
    NIGHTLY_DISTRIBUTION = 7_250_003


def acquire(tx: Transaction, lock: AdvisoryLock) -> None:
    """Acquire an advisory lock (exclusive), waiting for the transaction that holds it."""
    tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": int(lock)})


def try_acquire(tx: Transaction, lock: AdvisoryLock) -> bool:
    """Acquire an advisory lock (exclusive) if it is free, and return whether it was."""
    return bool(tx.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": int(lock)}).scalar_one())
