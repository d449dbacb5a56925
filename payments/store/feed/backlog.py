"""The work that waits in PostgreSQL for a worker."""

from datetime import datetime
from typing import NamedTuple

from payments.core.postponed_work import WorkKind
from payments.store.db.conditions import is_here
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.ledger import distribution_queue, finding_candidates, findings, postponed_work


class Backlog(NamedTuple):
    """The numbers of items that wait for a worker.

    `due` can be done now: lines, dead letters, accounts to distribute, and exceptions to accept by policy. `later`
    counts lines held until a later retry. `to_examine` counts lines whose findings are out of date.
    """

    due: int
    later: int
    to_examine: int


def load(tx: Transaction, now: datetime) -> Backlog:
    """Count the work that waits as of `now`, without postponed work.

    The work of companies that have moved to another installation is not counted either.
    """
    counts = tx.execute(
        text(
            f"SELECT (SELECT count(*) FROM lines WHERE due_at <= :now AND {is_here('lines')}) "
            f"+ (SELECT count(*) FROM set_aside WHERE due_at <= :now AND {is_here('set_aside')}) "
            f"+ (SELECT count(*) FROM account_marks WHERE {is_here('account_marks')} "
            f"AND NOT {distribution_queue.IS_POSTPONED}) AS due, "
            f"(SELECT count(*) FROM lines WHERE due_at > :now AND {is_here('lines')}) AS later"
        ),
        {"now": now},
    ).one()
    by_policy = findings.acceptable(tx, None, policy="auto")
    waiting = postponed_work.load_waiting(tx, WorkKind.ACCEPT_EXCEPTION, now)
    return Backlog(counts.due + len(set(by_policy) - waiting), counts.later, finding_candidates.count(tx))
