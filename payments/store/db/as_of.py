"""As-of queries: run a report's query against the rows that existed at an earlier moment.

Append-only tables are filtered by the time of insertion. For each table in `VERSIONED`, triggers copy every earlier
version of a row to a row-version table, with the time until which this version was valid.
"""

from datetime import datetime

from payments.store.tables import VALID_TO, VERSIONED, allocations, entries, entry_links, patients, versions_table

_EXISTED_CONDITION = {
    entries.name: "posted_at <= :as_of",
    allocations.name: "made_at <= :as_of",
    entry_links.name: "linked_at <= :as_of",
    patients.name: "(named_at IS NULL OR named_at <= :as_of)",
}
# Earlier versions of patients are not stored. A version that was imported later is unknown at the moment.
_COLUMNS_UNKNOWN_BEFORE_CHANGE = {"version", "saved_at"}
_AS_OF_COLUMN_LISTS = {
    entry_links.name: ", ".join(
        "CASE WHEN ended_at > :as_of THEN NULL ELSE ended_at END AS ended_at"
        if column.name == "ended_at"
        else column.name
        for column in entry_links.columns
    ),
    patients.name: ", ".join(
        f"CASE WHEN changed_at > :as_of THEN NULL ELSE {column.name} END AS {column.name}"
        if column.name in _COLUMNS_UNKNOWN_BEFORE_CHANGE
        else column.name
        for column in patients.columns
    ),
}
_COLUMN_LISTS = {table.name: ", ".join(column.name for column in table.columns) for table in VERSIONED}


def as_of_query(as_of: datetime | None, tables: str, query: str) -> str:
    """Return a query that reads these tables as of the parameter `:as_of`. If `as_of` is None, return `query` as it is.

    `tables` are table names separated by spaces. For each of them, a CTE of the same name is added before `query`, and
    `query` then reads the CTE instead of the table. The moment of a change is the time at which the worker or user
    started the change, not the time of the commit.
    """
    if as_of is None:
        return query
    ctes = ", ".join(f"{table} AS NOT MATERIALIZED ({_rows_as_of(table)})" for table in tables.split())
    query = query.lstrip()
    return f"WITH {ctes}, {query.removeprefix('WITH')}" if query.startswith("WITH ") else f"WITH {ctes} {query}"


def changed_at(table: str, moment: str = ":now") -> str:
    """Return the SQL assignment to `changed_at` that every UPDATE of a table in `VERSIONED` must contain.

    `moment` is an SQL expression. The `changed_at` of a row never decreases, even if the clocks of two machines differ.
    """
    return f"changed_at = greatest({table}.changed_at, {moment})"


def _rows_as_of(table: str) -> str:
    if table in _EXISTED_CONDITION:
        return f"SELECT {_AS_OF_COLUMN_LISTS.get(table, '*')} FROM {table} WHERE {_EXISTED_CONDITION[table]}"
    valid_from = "(changed_at IS NULL OR changed_at <= :as_of)"
    columns = _COLUMN_LISTS[table]
    return (
        f"SELECT {columns} FROM {table} WHERE {valid_from} "
        f"UNION ALL SELECT {columns} FROM {versions_table(table)} WHERE {VALID_TO} > :as_of AND {valid_from}"
    )
