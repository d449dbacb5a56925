"""Set the company of rows that earlier releases inserted without one, batch by batch, while the services run.

Each batch is one transaction and stores the progress, so an interrupted run continues from there. `changed_at` does not
change, so the triggers store no row versions.
"""

from typing import NamedTuple

from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.tables import findings

_COMPANY_OF_LINE = "(SELECT company_id FROM lines WHERE id = batch.line_ref)"
_COMPANY_OF_DEAD_LETTER = "(SELECT company_id FROM set_aside WHERE id = batch.set_aside_ref)"


class _CompanySource(NamedTuple):
    """A description of how to find the companies of a table's rows.

    `key` maps the key columns to their SQL types. The scan starts after the key `first`. `columns` are the columns to
    read, and `company` is the SQL expression of the company.
    """

    key: dict[str, str]
    first: list[str]
    columns: str
    company: str


_SOURCE_BY_TABLE = {
    "findings": _CompanySource({"id": "bigint"}, ["0"], "line_ref", _COMPANY_OF_LINE),
    "findings_was": _CompanySource(
        {"until": "timestamptz", "id": "bigint"}, ["-infinity", "0"], "line_ref", _COMPANY_OF_LINE
    ),
    "history": _CompanySource(
        {"at": "timestamptz", "id": "bigint"},
        ["-infinity", "0"],
        "line_ref, set_aside_ref",
        f"coalesce({_COMPANY_OF_LINE}, {_COMPANY_OF_DEAD_LETTER})",
    ),
}
BACKFILLED_TABLES = tuple(_SOURCE_BY_TABLE)
"""The tables to fill, in the order in which they are filled."""


class BackfillProgress(NamedTuple):
    """The progress of filling a table.

    `done` is the number of rows examined, `total` PostgreSQL's estimate of all rows.
    """

    table: str
    done: int
    total: int
    finished: bool


def unfinished_tables(tx: Transaction) -> list[str]:
    """Return the tables that may have rows without their company."""
    done = set(tx.execute(text("SELECT table_name FROM backfills WHERE finished")).scalars())
    return [table for table in BACKFILLED_TABLES if table not in done]


def fill_batch(tx: Transaction, table: str, limit: int) -> BackfillProgress:
    """Set `company_id` in up to `limit` further rows of a table, in the order of its key. Return the progress.

    If the company of a row is unknown, `company_id` stays null. Locks: the table's row in `backfills`, and the rows.
    """
    source = _SOURCE_BY_TABLE[table]
    tx.execute(
        text(
            "INSERT INTO backfills (table_name, position, rows_done, finished) VALUES (:table, :first, 0, false) "
            "ON CONFLICT DO NOTHING"
        ),
        {"table": table, "first": source.first},
    )
    before = tx.execute(
        text("SELECT position, rows_done, finished FROM backfills WHERE table_name = :table FOR NO KEY UPDATE"),
        {"table": table},
    ).one()
    total = _estimated_rows(tx, table)
    if before.finished:
        return BackfillProgress(table, before.rows_done, total, finished=True)
    count, last = _fill(tx, table, before.position, limit)
    progress = BackfillProgress(table, before.rows_done + count, total, finished=count < limit)
    tx.execute(
        text(
            "UPDATE backfills SET position = :position, rows_done = :done, finished = :finished "
            "WHERE table_name = :table"
        ),
        {
            "position": last or before.position,
            "done": progress.done,
            "finished": progress.finished,
            "table": table,
        },
    )
    return progress


def _fill(tx: Transaction, table: str, after: list[str], limit: int) -> tuple[int, list[str] | None]:
    """Fill up to `limit` rows that follow the key `after`. Return the number of these rows and the key of the last."""
    key, _, columns, company = _SOURCE_BY_TABLE[table]
    names = ", ".join(key)
    values = [f"CAST(:after_{name} AS {sql_type})" for name, sql_type in key.items()]
    first_name, *_ = key
    # Large tables are read and joined through their indexes, regardless of the statistics. The trigger that stores row
    # versions of findings needs a hash join.
    for plan in ("seqscan",) if table == findings.name else ("seqscan", "hashjoin", "mergejoin"):
        tx.execute(text(f"SET LOCAL enable_{plan} = off"))
    found = tx.execute(
        text(
            f"""
            WITH batch AS MATERIALIZED (
                SELECT {names}, {columns} FROM {table}
                WHERE {first_name} >= {values[0]} AND ({names}) > ({", ".join(values)})
                ORDER BY {names} LIMIT :limit
            ), owned AS MATERIALIZED (
                SELECT {names}, {company} AS company_id FROM batch
            ), filled AS (
                UPDATE {table} SET company_id = owned.company_id FROM owned
                WHERE {" AND ".join(f"{table}.{name} = owned.{name}" for name in key)}
                    AND {table}.company_id IS NULL AND owned.company_id IS NOT NULL
            )
            SELECT (SELECT count(*) FROM batch) AS count, (
                SELECT ARRAY[{", ".join(f"{name}::text" for name in key)}] FROM batch
                ORDER BY {", ".join(f"{name} DESC" for name in key)} LIMIT 1
            ) AS last
            """
        ),
        {f"after_{name}": value for name, value in zip(key, after, strict=True)} | {"limit": limit},
    ).one()
    return int(found.count), found.last  # type: ignore[call-overload] # `count` is a column here


def _estimated_rows(tx: Transaction, table: str) -> int:
    query = (
        "SELECT coalesce(sum(greatest(reltuples, 0)), 0) FROM pg_class WHERE oid = CAST(:table AS regclass) "
        "OR oid IN (SELECT relid FROM pg_partition_tree(CAST(:table AS regclass)) WHERE isleaf)"
    )
    return int(tx.execute(text(query), {"table": table}).scalar_one())
