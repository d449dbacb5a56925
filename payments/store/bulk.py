"""Writing many rows in one statement: each column crosses as one array. Knows no table in particular."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

Row = Mapping[str, Any]
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def unnested(table: Table, columns: Sequence[str]) -> str:
    """Return the SQL of a row source `new` that holds these columns of the table, one array parameter each."""
    arrays = ", ".join(f"CAST(:{name} AS {table.c[name].type.compile(_DIALECT)}[])" for name in columns)
    return f"unnest({arrays}) AS new({', '.join(columns)})"


def arrays(rows: Sequence[Row], columns: Sequence[str]) -> dict[str, list[Any]]:
    """Turn rows into one list a column: the parameters that go with `unnested`."""
    return {name: [row[name] for row in rows] for name in columns}


def insertion(table: Table, columns: Sequence[str], end: str = "") -> str:
    """Return an INSERT of all rows of `new` in their order, ended by e.g. an ON CONFLICT clause."""
    names = ", ".join(columns)
    return f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {unnested(table, columns)} {end}"
