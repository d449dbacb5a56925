"""A limit of the time that the statements of a transaction may take."""

from sqlalchemy.exc import DBAPIError

from payments.store.db.connection import Transaction
from payments.store.db.statement import text

_CANCELED = "57014"


def limit_time(tx: Transaction, milliseconds: int) -> None:
    """Let PostgreSQL cancel each further statement of the transaction that takes longer. See `was_canceled`."""
    tx.execute(text("SELECT set_config('statement_timeout', :limit, true)"), {"limit": f"{milliseconds}ms"})


def was_canceled(error: DBAPIError) -> bool:
    """Return whether PostgreSQL canceled the statement: it took longer than the limit."""
    return getattr(error.orig, "sqlstate", None) == _CANCELED
