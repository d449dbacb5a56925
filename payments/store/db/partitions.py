"""Monthly partitions of the append-only tables: create those of the coming months, drop those past their retention."""

from collections.abc import Sequence
from datetime import date

from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.tables import VERSIONED, audit, events, history, versions_table

EVENTS = (events.name,)
HISTORY = (history.name, *(versions_table(table.name) for table in VERSIONED))
AUDIT = (audit.name,)


def create(tx: Transaction, first: date, through: date) -> int:
    """Create the missing partitions up to the month of `through`, and return how many were created.

    `first` is the month of the first partition of a table that has none yet. Rows of earlier months, and of months
    without a partition, go to two catch-all partitions.
    """
    created = tx.execute(text("SELECT make_partitions(:first, :through)"), {"first": first, "through": through})
    return int(created.scalar_one())


def drop(tx: Transaction, tables: Sequence[str], keep_from: date) -> int:
    """Drop the partitions of the months before that of `keep_from`, and return how many were dropped.

    Only the owner of the tables may do this. Locks: ACCESS EXCLUSIVE on each table and its dropped partitions.
    """
    statement = text("SELECT sum(drop_partitions(parent, :keep_from)) FROM unnest(CAST(:tables AS text[])) AS parent")
    return int(tx.execute(statement, {"tables": list(tables), "keep_from": keep_from}).scalar_one())
