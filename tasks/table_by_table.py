"""Change or analyze tables one after the other, each in its own transaction."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from payments.journeys import analyzing
from payments.journeys.retention import TABLES
from payments.store.db.connection import Database, Transaction, is_transient, transaction


class ChangeResult(NamedTuple):
    """The number of partitions created or dropped, and the tables that other transactions kept locked."""

    partitions: int
    blocked: Sequence[str]


def change_tables(database: Database, change: Callable[[Transaction, str], int], passes: int = 1) -> ChangeResult:
    """Apply a change to each partitioned table. `passes` is the maximum number of attempts at a locked table."""
    partitions, blocked = 0, list(TABLES)
    for _ in range(passes):
        results = {table: _change(database, change, table) for table in blocked}
        partitions += sum(each or 0 for each in results.values())
        blocked = [table for table, each in results.items() if each is None]
    return ChangeResult(partitions, blocked)


def analyze_stale_tables(database: Database) -> list[str]:
    """Analyze each table whose statistics miss most of its rows, and return the names of these tables."""
    with transaction(database) as tx:
        tables = analyzing.stale_tables(tx)
    for table in tables:
        with transaction(database) as tx:
            analyzing.analyze(tx, table)
    return tables


def _change(database: Database, change: Callable[[Transaction, str], int], table: str) -> int | None:
    """Apply the change to a table, and return its result; None if another transaction keeps the table locked."""
    try:
        with transaction(database) as tx:
            return change(tx, table)
    except Exception as error:
        if not is_transient(error):
            raise
        return None
