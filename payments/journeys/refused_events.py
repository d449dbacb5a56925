"""Read the events that were refused, with their original bytes."""

from payments.core.scope import EVERYTHING, Scope
from payments.store.db.connection import Transaction
from payments.store.reports import refused_event
from payments.store.reports.refused_event import RefusedEventRow

__all__ = ["RefusedEventRow"]


def read_event(tx: Transaction, dead_letter_id: int, scope: Scope = EVERYTHING) -> RefusedEventRow | None:
    """Return a refused event, or None if the scope has none with this id."""
    return refused_event.read(tx, dead_letter_id, scope)
