"""Writing many rows at once: as a COPY where they are only added, else as one array a column. Knows no table."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import psycopg
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

from payments.store.db.connection import Transaction

Row = Mapping[str, Any]
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def unnested(table: Table, columns: Sequence[str]) -> str:
    """Return the SQL of a row source `new` that holds these columns of the table, one array parameter each."""
    arrays = ", ".join(f"CAST(:{name} AS {_type(table.c[name])}[])" for name in columns)
    return f"unnest({arrays}) AS new({', '.join(columns)})"


@cache
def _type(column: Column[Any]) -> str:
    return column.type.compile(_DIALECT)


def arrays(rows: Sequence[Row], columns: Sequence[str]) -> dict[str, list[Any]]:
    """Turn rows into one list a column: the parameters that go with `unnested`."""
    return {name: [row[name] for row in rows] for name in columns}


def insertion(table: Table, columns: Sequence[str], end: str = "") -> str:
    """Return an INSERT of all rows of `new` in their order, ended by e.g. an ON CONFLICT clause."""
    names = ", ".join(columns)
    return f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {unnested(table, columns)} {end}"


def append(tx: Transaction, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Add rows, their values in the order of the columns, to a table to which nothing is ever done but adding."""
    statement = f"COPY {table.name} ({', '.join(columns)}) FROM STDIN"
    cursor: Any = tx.connection.cursor()
    try:
        with cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        # A COPY goes past SQLAlchemy; its errors shall look like those of every other statement.
        raise DBAPIError.instance(statement, None, error, psycopg.Error) from error
