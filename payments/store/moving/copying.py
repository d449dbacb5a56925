"""Copy a company's rows out of a table and into a table, by COPY in text format.

Memory use is constant. The text format is the same in all versions of PostgreSQL.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Table
from sqlalchemy.exc import DBAPIError

from payments.core.company_move import ExportedTable, Manifest, MoveError
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.moving.moved_tables import COMPANY_COLUMN, MOVE_COLUMNS, MOVED_TABLES, columns_of, id_columns
from payments.store.tables import companies, company_months, dead_letters

_STAGING_TABLE = "moved_rows"
_NOTHING_IMPORTED = "nothing was imported"
_DELETE_SAME_DEAD_LETTERS = (
    f"DELETE FROM {dead_letters.name} USING {_STAGING_TABLE} "
    f"WHERE {dead_letters.name}.{COMPANY_COLUMN} = {_STAGING_TABLE}.{COMPANY_COLUMN} "
    f"AND {dead_letters.name}.body_hash = {_STAGING_TABLE}.body_hash"
)


def prepare(tx: Transaction) -> None:
    """Set the text format of dates and numbers until the transaction ends.

    Also make every query fail if row-level security would hide rows from this user.
    """
    for setting in ("row_security = off", "DateStyle = 'ISO, YMD'", "IntervalStyle = 'postgres'"):
        tx.execute(text(f"SET LOCAL {setting}"))


def copy_out(tx: Transaction, table: str, company_id: str) -> Iterator[bytes]:
    """Yield the rows of a company in the text format of COPY, in blocks of whole rows. Raises DBAPIError."""
    query = sql.SQL("COPY (SELECT {} FROM {} WHERE {} = {}) TO STDOUT").format(
        _column_list(columns_of(MOVED_TABLES[table])),
        sql.Identifier(table),
        sql.Identifier(COMPANY_COLUMN),
        sql.Literal(company_id),
    )
    cursor: Any = tx.connection.cursor()
    with _wrapped_errors(), cursor.copy(query) as copy:
        for block in copy:
            yield bytes(block)


def copy_in(
    tx: Transaction, manifest: Manifest, exported: ExportedTable, blocks: Iterable[bytes], shifts: Mapping[str, int]
) -> int:
    """Insert the rows that `copy_out` yielded for an exported table. Return the number inserted.

    `shifts` maps the tables to the number that is added to their row ids. The row of the company itself is updated,
    because it already exists. If an event arrived here during the import, the dead letter from the export replaces the
    dead letter of the same event. Months that were created when the entries were inserted are replaced as well.

    Raises MoveError if a row belongs to a company other than the manifest's. Also raises it if the row's own id, or the
    id of a row that it refers to, is outside the ranges of the manifest, because this id could identify a row of
    another company here. Raises DBAPIError. Locks: the inserted rows.
    """
    table, names = MOVED_TABLES[exported.table], exported.columns
    tx.execute(text(f"CREATE TEMPORARY TABLE {_STAGING_TABLE} (LIKE {table.name})"))
    if table is companies:
        for own in MOVE_COLUMNS:
            tx.execute(text(f"ALTER TABLE {_STAGING_TABLE} DROP COLUMN {own}"))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(_STAGING_TABLE), _column_list(names))
    cursor: Any = tx.connection.cursor()
    with _wrapped_errors(), cursor.copy(statement) as copy:
        for block in blocks:
            copy.write(block)
    _check_owner(tx, table, manifest)
    count = tx.execute(text(_insert_statement(tx, table, names, shifts))).rowcount
    tx.execute(text(f"DROP TABLE {_STAGING_TABLE}"))
    return count


def _check_owner(tx: Transaction, table: Table, manifest: Manifest) -> None:
    """Raise MoveError unless all rows in the staging table, and all rows that they refer to, belong to the company."""
    is_foreign = f"SELECT EXISTS (SELECT FROM {_STAGING_TABLE} WHERE {COMPANY_COLUMN} IS DISTINCT FROM :company_id)"
    if tx.execute(text(is_foreign), {"company_id": manifest.company_id}).scalar_one():
        raise MoveError(
            f"{table.name}: a row belongs to another company than {manifest.company_id}; {_NOTHING_IMPORTED}"
        )
    for column, target in id_columns(table).items():
        # Without a range the company has no row in the target, and a reference to one is never right.
        first, last = manifest.ids.get(target, (1, 0))
        is_outside = f"SELECT EXISTS (SELECT FROM {_STAGING_TABLE} WHERE {column} NOT BETWEEN :first AND :last)"
        if tx.execute(text(is_outside), {"first": first, "last": last}).scalar_one():
            raise MoveError(
                f"{table.name}: {column} is outside of the ids that the manifest names; {_NOTHING_IMPORTED}"
            )


def _insert_statement(tx: Transaction, table: Table, names: tuple[str, ...], shifts: Mapping[str, int]) -> str:
    if table is companies:
        values = ", ".join(f"{name} = {_STAGING_TABLE}.{name}" for name in names)
        is_same = f"companies.{COMPANY_COLUMN} = {_STAGING_TABLE}.{COMPANY_COLUMN}"
        return f"UPDATE companies SET {values} FROM {_STAGING_TABLE} WHERE {is_same}"
    if table is dead_letters:
        tx.execute(text(_DELETE_SAME_DEAD_LETTERS))
    if table is company_months:
        added = f"SELECT {COMPANY_COLUMN} FROM {_STAGING_TABLE}"
        tx.execute(text(f"DELETE FROM {table.name} WHERE {COMPANY_COLUMN} IN ({added})"))
    ids = {name: shifts.get(target, 0) for name, target in id_columns(table).items()}
    values = ", ".join(f"{name} + {ids[name]}" if ids.get(name) else name for name in names)
    return (
        f"INSERT INTO {table.name} ({', '.join(names)}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {_STAGING_TABLE}"
    )


def _column_list(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


@contextmanager
def _wrapped_errors() -> Iterator[None]:
    """Raise errors of COPY as DBAPIError. COPY bypasses SQLAlchemy, which would otherwise wrap them."""
    try:
        yield
    except psycopg.Error as error:
        raise DBAPIError.instance("COPY", None, error, psycopg.Error) from error
