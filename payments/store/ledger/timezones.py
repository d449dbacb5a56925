"""The time zones that PostgreSQL knows."""

from payments.store.db.connection import Transaction
from payments.store.db.statement import text


def is_timezone_known(tx: Transaction, name: str) -> bool:
    """Return whether PostgreSQL knows a time zone. Its list of time zones may differ from that of this system."""
    found = tx.execute(text("SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = :name)"), {"name": name})
    return bool(found.scalar_one())
