"""What still waits in PostgreSQL for a worker."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from payments.store import findings
from payments.store.session import Transaction


class Waiting(NamedTuple):
    """How much is due now (lines, set-aside events, accounts), waits for later, or has an exception to look at."""

    due: int
    later: int
    to_examine: int


def waiting(tx: Transaction, now: datetime) -> Waiting:
    """Count what is due now, what waits for a later try, and whose exceptions are not up to date."""
    due, later = tx.execute(
        text(
            "SELECT (SELECT count(*) FROM lines WHERE due_at <= :now) "
            "+ (SELECT count(*) FROM set_aside WHERE due_at <= :now) "
            "+ (SELECT count(*) FROM patients WHERE distribute_at IS NOT NULL), "
            "(SELECT count(*) FROM lines WHERE due_at > :now)"
        ),
        {"now": now},
    ).one()
    return Waiting(due, later, findings.work_left(tx))
