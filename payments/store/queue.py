"""What still waits in PostgreSQL for a worker."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from payments.store.session import Transaction


class Waiting(NamedTuple):
    """How many lines and set-aside events are due now, and how many lines wait for a later try."""

    due: int
    later: int


def waiting(tx: Transaction, now: datetime) -> Waiting:
    """Count what is due now and what waits for a later try."""
    due, later = tx.execute(
        text(
            "SELECT (SELECT count(*) FROM lines WHERE due_at <= :now) "
            "+ (SELECT count(*) FROM set_aside WHERE due_at <= :now), "
            "(SELECT count(*) FROM lines WHERE due_at > :now)"
        ),
        {"now": now},
    ).one()
    return Waiting(due, later)
