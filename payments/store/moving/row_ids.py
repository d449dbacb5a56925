"""The row ids of a company, and the ids that its rows get in another installation.

One sequence numbers the rows of a table across companies, so a row id is unique in an installation. If the ids of the
company may already be used in the new installation, the import adds a number to each of them. Otherwise the ids do not
change.
"""

from payments.core.company_move import IdRange
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.moving.moved_tables import MOVED_TABLES, NUMBERED_TABLES, id_columns

_SET_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '500ms'"


def id_ranges(tx: Transaction, company_id: str) -> dict[str, IdRange]:
    """Return the lowest and the highest row id of a company in each table. Tables without its rows are omitted."""
    found = {}
    for name in NUMBERED_TABLES:
        sources = " UNION ALL ".join(
            f"SELECT min({column}) AS first, max({column}) AS last FROM {table.name} WHERE company_id = :company_id"
            for table in MOVED_TABLES.values()
            for column, target in id_columns(table).items()
            if target == name
        )
        query = f"SELECT min(first) AS first, max(last) AS last FROM ({sources}) AS ids"
        row = tx.execute(text(query), {"company_id": company_id}).one()
        if row.first is not None:
            found[name] = IdRange(row.first, row.last)
    return found


def reserve(tx: Transaction, table: str, ids: IdRange) -> int:
    """Reserve row ids for the id range of another installation. Return the number to add to each id.

    Only the owner of the table may do this. Locks: the sequence, SHARE ROW EXCLUSIVE. Commit immediately, because other
    transactions get no ids before the commit. Waits up to half a second for transactions that have taken ids, then
    raises DBAPIError (55P03).
    """
    sequence = tx.execute(text("SELECT pg_get_serial_sequence(:table, 'id')"), {"table": table}).scalar_one()
    tx.execute(text(_SET_LOCK_TIMEOUT))
    # It changes nothing, and it holds the lock that setval() alone does not take: two imports get two ranges.
    tx.execute(text(f"ALTER SEQUENCE {sequence} NO CYCLE"))
    following = tx.execute(text(f"SELECT last_value + is_called::integer FROM {sequence}")).scalar_one()
    shift = max(0, int(following) - ids.first)
    tx.execute(text("SELECT setval(:sequence, :last)"), {"sequence": sequence, "last": ids.last + shift})
    return shift
