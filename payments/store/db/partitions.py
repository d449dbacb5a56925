"""Monthly partitions of the append-only tables: create those of the coming months, drop those past their retention."""

from datetime import date

from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.tables import VERSIONED, audit, events, history, versions_table

EVENTS = (events.name,)
HISTORY = (history.name, *(versions_table(table.name) for table in VERSIONED))
AUDIT = (audit.name,)
TABLES = (*EVENTS, *HISTORY, *AUDIT)


def create(tx: Transaction, table: str, first: date, through: date) -> int:
    """Create the missing partitions of a table up to the month of `through`, and return how many were created.

    `first` is the month of the first partition of a table that has none yet. Rows of earlier months, and of months
    without a partition, go to two catch-all partitions.

    Locks: SHARE UPDATE EXCLUSIVE on the table, ACCESS EXCLUSIVE on its default partition; on the table too if the
    default partition has rows of the new months. Raises DBAPIError (55P03) if it waits half a second for one of them.
    """
    created = tx.execute(
        text("SELECT make_partitions_of(:table, :first, :through)"),
        {"table": table, "first": first, "through": through},
    )
    return int(created.scalar_one())


def drop(tx: Transaction, table: str, keep_from: date) -> int:
    """Drop a table's partitions of the months before that of `keep_from`, and return how many were dropped.

    Only the owner of the tables may do this. Locks: ACCESS EXCLUSIVE on the table and its dropped partitions. Raises
    DBAPIError (55P03) if it waits half a second for one of them.
    """
    statement = text("SELECT drop_partitions(:table, :keep_from)")
    return int(tx.execute(statement, {"table": table, "keep_from": keep_from}).scalar_one())
