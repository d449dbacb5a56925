"""What was known at a moment: a report's own query, asked of the tables as they stood then."""

from datetime import datetime

from payments.store.tables import CHANGING, allocations, entries, patients

_ADDED = {
    entries.name: "posted_at <= :as_of",
    allocations.name: "made_at <= :as_of",
    patients.name: "(named_at IS NULL OR named_at <= :as_of)",
}
_COLUMNS = {table.name: ", ".join(column.name for column in table.columns) for table in CHANGING}


def as_of_query(as_of: datetime | None, tables: str, query: str) -> str:
    """Return the query, asked of these tables (names, with spaces between) as they stood at `:as_of`; None is now.

    Each is put before the table of its name, so that the query stays the same whatever moment it asks about. A moment
    counts from when a worker or a person began what changed the row.
    """
    if as_of is None:
        return query
    before = ", ".join(f"{table} AS NOT MATERIALIZED ({_as_it_stood(table)})" for table in tables.split())
    own = query.lstrip()
    return f"WITH {before}, {own.removeprefix('WITH')}" if own.startswith("WITH ") else f"WITH {before} {own}"


def changed_at(table: str, moment: str = ":now") -> str:
    """Return the assignment that goes with every change of a row: the clocks of two machines do not turn time back."""
    return f"changed_at = greatest({table}.changed_at, {moment})"


def _as_it_stood(table: str) -> str:
    if table in _ADDED:
        return f"SELECT * FROM {table} WHERE {_ADDED[table]}"
    since = "(changed_at IS NULL OR changed_at <= :as_of)"
    columns = _COLUMNS[table]
    return (
        f"SELECT {columns} FROM {table} WHERE {since} "
        f"UNION ALL SELECT {columns} FROM {table}_was WHERE until > :as_of AND {since}"
    )
