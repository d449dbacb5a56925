"""Bulk statements: COPY to append rows where PostgreSQL permits it, otherwise one array parameter per column."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
import psycopg
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

from payments.store.db.connection import ConcurrentWriteError, Transaction
from payments.store.db.copy_format import register_dumpers, type_oid
from payments.store.db.isolation import refuses_copy, remember_refusal
from payments.store.db.pipeline import defer, send_deferred
from payments.store.db.statement import text

FEW_ROWS = 20
"""The largest number of rows for which an INSERT sent with the COMMIT is faster than a COPY with its round trips."""
Row = Mapping[str, Any]
_encode = msgspec.json.Encoder(decimal_format="string").encode
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def unnest_item(table: Table, columns: Sequence[str]) -> str:
    """Return the FROM item `unnest(...) AS new(...)` for these columns. `column_arrays` builds its parameters."""
    column_arrays = ", ".join(f"CAST(:{name} AS {_sql_type(table.c[name])}[])" for name in columns)
    return f"unnest({column_arrays}) AS new({', '.join(columns)})"


@cache
def _sql_type(column: Column[Any]) -> str:
    return column.type.compile(_DIALECT)


@cache
def _type_oids(table: Table, columns: tuple[str, ...]) -> list[int]:
    return [type_oid(_sql_type(table.c[name])) for name in columns]


def column_arrays(rows: Sequence[Row], columns: Sequence[str]) -> dict[str, list[Any]]:
    """Return the parameters of `unnest_item`: the values of these rows as one list per column.

    `rows` map column names to values.
    """
    return {name: [row[name] for row in rows] for name in columns}


def key_arrays(keys: Sequence[tuple[Any, ...]], columns: Sequence[str]) -> dict[str, list[Any]]:
    """Return the values of keys as one list per column. The values of each key are in the order of `columns`."""
    by_column = zip(*keys, strict=True) if keys else ((),) * len(columns)
    return {name: list(values) for name, values in zip(columns, by_column, strict=True)}


def insert_statement(table: Table, columns: Sequence[str], end: str = "") -> str:
    """Return an INSERT of the rows of `unnest_item`, in their order. `end` is the last clause, such as ON CONFLICT."""
    names = ", ".join(columns)
    return f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {unnest_item(table, columns)} {end}"


def append(tx: Transaction, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Append rows by COPY. Use INSERT if row-level security applies to this role, because PostgreSQL then refuses COPY.

    The values of each row are in the order of `columns`; values of JSON columns are JSON texts. Raises DBAPIError. When
    PostgreSQL refuses COPY for the first time, raises ConcurrentWriteError. The repeated transaction then uses INSERT.
    """
    send_deferred(tx)
    if refuses_copy(tx):
        _insert(tx, table, columns, rows)
        return
    statement = f"COPY {table.name} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
    cursor: Any = tx.connection.cursor()
    register_dumpers(cursor)
    try:
        with cursor.copy(statement) as copy:
            copy.set_types(_type_oids(table, tuple(columns)))
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        if isinstance(error, psycopg.errors.FeatureNotSupported) and error.diag.source_function == "DoCopy":
            remember_refusal(tx)
            raise ConcurrentWriteError(f"row-level security of {table.name} refuses COPY") from error
        # COPY bypasses SQLAlchemy, so the driver's error is wrapped here.
        raise DBAPIError.instance(statement, None, error, psycopg.Error) from error


def append_few(
    tx: Transaction,
    table: Table,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    conflict: Exception | None = None,
) -> None:
    """Append a few rows together with the COMMIT. One parameter holds all rows, so one plan serves any number of rows.

    The values of each row are in the order of `columns`; values of JSON columns are objects, not JSON texts. `defer`
    describes the errors.
    """
    names = ", ".join(columns)
    source = f"json_populate_recordset(CAST(NULL AS {table.name}), CAST(:rows AS json))"
    objects = [dict(zip(columns, map(_to_json_value, values), strict=True)) for values in rows]
    if objects:
        # COPY also stores given values in identity columns.
        statement = f"INSERT INTO {table.name} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM {source}"
        defer(tx, statement, {"rows": _encode(objects).decode()}, conflict)


def _to_json_value(value: Any) -> Any:
    """Return a value as PostgreSQL reads it from JSON. Bytes are in its hexadecimal format."""
    return f"\\x{value.hex()}" if isinstance(value, bytes) else value


def _insert(tx: Transaction, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    by_column = [list(values) for values in zip(*rows, strict=True)]
    names = ", ".join(columns)
    # COPY also stores given values in identity columns.
    target = f"INSERT INTO {table.name} ({names}) OVERRIDING SYSTEM VALUE"
    if by_column:
        parameters = dict(zip(columns, by_column, strict=True))
        tx.execute(text(f"{target} SELECT {names} FROM {unnest_item(table, columns)}"), parameters)
