"""Find and analyze tables whose planner statistics are outdated, because many rows were added before autovacuum ran."""

from payments.store.db.connection import Transaction
from payments.store.db.statement import text

ROWS_MIN, BYTES_MIN = 10_000, 1 << 20
"""`stale_tables` returns a table only if more than ROWS_MIN rows have changed, or if it was never analyzed and has more
than BYTES_MIN. In other cases, a bad plan costs only milliseconds until autovacuum analyzes the table."""

# A table without statistics of any column was never analyzed, or was restored. Only its owner may analyze a table.
_STALE_TABLES_QUERY = """
SELECT pg_class.oid::regclass::text FROM pg_class LEFT JOIN pg_stat_user_tables AS activity ON relid = pg_class.oid
WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND pg_has_role(relowner, 'USAGE') AND (
    n_mod_since_analyze > greatest(:rows_min, reltuples / 2)
    OR pg_relation_size(pg_class.oid) > :bytes_min AND NOT EXISTS (
        SELECT FROM pg_stats WHERE (schemaname, tablename) = (current_schema(), pg_class.relname)))
ORDER BY 1
"""


def stale_tables(tx: Transaction) -> list[str]:
    """Return the tables and partitions that were never analyzed, or most of whose rows changed after the last analysis.

    Small tables, and tables with few changes, are omitted.
    """
    return [*tx.execute(text(_STALE_TABLES_QUERY), {"rows_min": ROWS_MIN, "bytes_min": BYTES_MIN}).scalars()]


def analyze(tx: Transaction, table: str) -> None:
    """Collect the planner statistics of a table. `table` is a name that `stale_tables` returned.

    Locks: SHARE UPDATE EXCLUSIVE on the table until the commit. Reads and writes do not wait for this lock.
    """
    tx.execute(text(f"ANALYZE {table}"))
