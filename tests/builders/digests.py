"""Compute digests of the whole content of a ledger. A test compares two of them to prove that nothing changed."""

from sqlalchemy import text

from payments.store import tables
from payments.store.db.connection import Database, transaction


def table_digests(database: Database) -> dict[str, tuple[int, str]]:
    """Return by table the number of rows and a digest of the content."""
    digest = "SELECT count(*), coalesce(md5(string_agg(row::text, E'\\n' ORDER BY row::text)), '') FROM {} AS row"
    with transaction(database) as tx:
        rows = {name: tx.execute(text(digest.format(name))).one() for name in tables.metadata.tables}
    return {name: (count, digest) for name, (count, digest) in rows.items()}
