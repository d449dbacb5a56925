"""Update the planner statistics of tables after a bulk load or a restore, so that PostgreSQL plans reports well."""

from payments.store.db import statistics
from payments.store.db.connection import Transaction


def stale_tables(tx: Transaction) -> list[str]:
    """Return the tables whose planner statistics do not reflect most of their rows.

    Tables that another role owns are omitted, because this role may not analyze them.
    """
    return statistics.stale_tables(tx)


def analyze(tx: Transaction, table: str) -> None:
    """Collect the planner statistics of a table. Locks the table (SHARE UPDATE EXCLUSIVE) until the commit."""
    statistics.analyze(tx, table)
