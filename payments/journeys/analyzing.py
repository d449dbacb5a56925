"""Analyze tables after a bulk load or a restore, so that PostgreSQL plans reports well."""

from payments.store.db import statistics
from payments.store.db.connection import Transaction


def stale_tables(tx: Transaction) -> list[str]:
    """Return the tables whose statistics miss most of their rows. Tables of another owner are omitted."""
    return statistics.stale_tables(tx)


def analyze(tx: Transaction, table: str) -> None:
    """Collect the statistics of a stale table. Locks: SHARE UPDATE EXCLUSIVE on it until the commit."""
    statistics.analyze(tx, table)
