"""The work that waits in PostgreSQL for a worker."""

from datetime import datetime
from typing import NamedTuple

from payments.store.db.conditions import is_here
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.ledger import finding_candidates, findings


class Backlog(NamedTuple):
    """The numbers of items that wait for a worker.

    `due` can be done now: lines, dead letters, accounts to distribute, and exceptions to accept by policy. `later`
    counts lines held until a later retry. `to_examine` counts lines whose findings are out of date.
    """

    due: int
    later: int
    to_examine: int


def load(tx: Transaction, now: datetime) -> Backlog:
    """Count the work that waits as of `now`, without that of companies that have moved to another installation."""
    counts = tx.execute(
        text(
            f"SELECT (SELECT count(*) FROM lines WHERE due_at <= :now AND {is_here('lines')}) "
            f"+ (SELECT count(*) FROM set_aside WHERE due_at <= :now AND {is_here('set_aside')}) "
            f"+ (SELECT count(*) FROM account_marks WHERE {is_here('account_marks')}) AS due, "
            f"(SELECT count(*) FROM lines WHERE due_at > :now AND {is_here('lines')}) AS later"
        ),
        {"now": now},
    ).one()
    accepted_by_policy = len(findings.acceptable_ids(tx, None, policy="auto"))
    return Backlog(counts.due + accepted_by_policy, counts.later, finding_candidates.count(tx))
