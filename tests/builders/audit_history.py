"""Read the audit history."""

from payments.access import audit
from payments.access.audit import AuditFilter, AuditRow
from payments.core.sorting import Window
from payments.store.db.connection import Transaction


def newest_entries(tx: Transaction, query: AuditFilter, limit: int) -> list[AuditRow]:
    """Return up to `limit` entries of the audit history, newest first."""
    return [each.row for each in audit.read_page(tx, query, Window(limit))]
