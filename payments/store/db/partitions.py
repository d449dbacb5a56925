"""Monthly partitions of the append-only tables: create partitions of coming months, and drop expired partitions."""

from datetime import date

from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.tables import VERSIONED, audit, events, history, versions_table

EVENT_TABLES = (events.name,)
HISTORY_TABLES = (history.name, *(versions_table(table.name) for table in VERSIONED))
AUDIT_TABLES = (audit.name,)
PARTITIONED_TABLES = (*EVENT_TABLES, *HISTORY_TABLES, *AUDIT_TABLES)


def create(tx: Transaction, table: str, first: date, through: date) -> int:
    """Create the missing partitions of a table up to the month of `through`. Return the number created.

    If the table has no partition yet, the first one is for the month of `first`. One more partition takes the rows of
    earlier months, and the default partition takes the rows of months without a partition.

    Locks: SHARE UPDATE EXCLUSIVE on the table, and ACCESS EXCLUSIVE on its default partition. If the default partition
    has rows of the new months, ACCESS EXCLUSIVE on the table as well. Raises DBAPIError (55P03) after waiting half a
    second for a lock.
    """
    created = tx.execute(
        text("SELECT make_partitions_of(:table, :first, :through)"),
        {"table": table, "first": first, "through": through},
    )
    return int(created.scalar_one())


def drop(tx: Transaction, table: str, keep_from: date) -> int:
    """Drop a table's partitions of the months before the month of `keep_from`. Return the number dropped.

    Only the owner of the tables may do this. Locks: ACCESS EXCLUSIVE on the table and its dropped partitions. Raises
    DBAPIError (55P03) after waiting half a second for a lock.
    """
    statement = text("SELECT drop_partitions(:table, :keep_from)")
    return int(tx.execute(statement, {"table": table, "keep_from": keep_from}).scalar_one())
