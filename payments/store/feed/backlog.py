"""What still waits in PostgreSQL for a worker."""

from datetime import datetime
from typing import NamedTuple

from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.ledger import finding_candidates, findings


class Waiting(NamedTuple):
    """How much waits for a worker.

    `due` is what can be done now: lines, set-aside events, accounts, and adjustments that a policy accepts; `later`
    are held for a later try; `to_examine` have exceptions that are not up to date.
    """

    due: int
    later: int
    to_examine: int


def waiting(tx: Transaction, now: datetime) -> Waiting:
    """Count what is due now, what waits for a later try, and whose exceptions are not up to date."""
    due, later = tx.execute(
        text(
            "SELECT (SELECT count(*) FROM lines WHERE due_at <= :now) "
            "+ (SELECT count(*) FROM set_aside WHERE due_at <= :now) "
            "+ (SELECT count(*) FROM account_marks), "
            "(SELECT count(*) FROM lines WHERE due_at > :now)"
        ),
        {"now": now},
    ).one()
    by_policy = len(findings.acceptable(tx, None, policy="auto"))
    return Waiting(due + by_policy, later, finding_candidates.work_left(tx))
