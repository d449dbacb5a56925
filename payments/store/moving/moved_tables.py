"""The tables whose rows move with a company, and their columns with row ids. Both are derived from the schema.

A new table with the column `company_id` moves without a change in this module. Only the tables that do not move are
listed, with the reason.
"""

from sqlalchemy import Table

from payments.store.tables import (
    VERSIONED,
    companies,
    company_months,
    dead_letters,
    deposits,
    drawers,
    entries,
    findings,
    lines,
    metadata,
    versions_table,
)

COMPANY_COLUMN = "company_id"
STAYING_TABLES = {
    "backfills": "the progress of a migration of this database",
    "import_tasks": "the Celery tasks of this installation",
    "daily_queues": "counts of this installation; the other one counts from its first night on",
    "job_runs": "jobs that run for the whole installation",
    "login_failures": "counts names and addresses of this installation's console",
    "nightly_results": "what the nightly jobs of this installation did",
    "postponed_work": "names row ids of this installation; the other one tries such work itself",
    "requeue_items": "what the requeue runs of this installation selected",
    "requeue_runs": "a run counts through row ids of this installation; what it has requeued is in the rows",
    "saved_views": "views belong to users",
    "sessions": "a session belongs to a user",
    "uploaded_logs": "a file of a user, which is deleted a day later",
    "users": "users belong to an installation; an administrator adds them to the new one",
}
"""The tables that do not move, with the reason."""

MOVE_COLUMNS = ("move_state", "moved_by", "move_id", "moved_at")
"""The columns of `companies` that describe the move itself. They do not move: each installation has its own values."""

_TABLE_BY_REFERENCE = {
    "line_ref": lines.name,
    "set_aside_ref": dead_letters.name,
    "finding_ref": findings.name,
    "reverses": entries.name,
    "entry_ref": entries.name,
    "drawer_ref": drawers.name,
    "deposit_ref": deposits.name,
    "reversed_ref": deposits.name,
    "paid_entry_ref": entries.name,
    "moved_entry_ref": entries.name,
    "from_entry_ref": entries.name,
    "to_entry_ref": entries.name,
}
_TABLE_BY_VERSIONS_TABLE = {versions_table(table.name): table.name for table in VERSIONED}


def _moved_tables() -> dict[str, Table]:
    """Return the tables that move, by name, in the order of the import.

    A table comes after the tables that its foreign keys refer to. The months come last, because the ledger accepts no
    entries of a closed month: a company's months are closed only after its entries were imported.
    """
    found = [each for each in metadata.sorted_tables if each.name not in STAYING_TABLES and each is not company_months]
    return {table.name: table for table in (*found, company_months)}


def columns_of(table: Table) -> tuple[str, ...]:
    """Return the names of the columns that move."""
    return tuple(each.name for each in table.columns if table is not companies or each.name not in MOVE_COLUMNS)


def id_columns(table: Table) -> dict[str, str]:
    """Return the columns of a table that contain row ids, each with the table whose rows the ids identify."""
    found = {name: target for name, target in _TABLE_BY_REFERENCE.items() if name in table.columns}
    if "id" in table.columns:
        found["id"] = _TABLE_BY_VERSIONS_TABLE.get(table.name, table.name)
    return found


MOVED_TABLES = _moved_tables()
NUMBERED_TABLES = sorted({target for table in MOVED_TABLES.values() for target in id_columns(table).values()})
"""The tables whose rows have an id from a sequence."""
