"""Count the work that waits in PostgreSQL for a worker."""

from datetime import datetime
from typing import NamedTuple

from payments.core.postponed_work import WorkKind
from payments.store.db.conditions import has_not_moved
from payments.store.db.connection import Transaction
from payments.store.db.fair_shares import due_rows, due_rows_with_unknown_company
from payments.store.db.statement import text
from payments.store.ledger import acceptable_findings, distribution_queue, finding_candidates, postponed_work


class Backlog(NamedTuple):
    """The number of items that wait for a worker.

    `due` is the number of items that are due now: lines, dead letters, accounts to distribute, and exceptions to accept
    by policy. `later` is the number of lines that are held until a later retry. `to_examine` is the number of lines
    whose findings are outdated.
    """

    due: int
    later: int
    to_examine: int


def load(tx: Transaction, now: datetime) -> Backlog:
    """Count the work that waits as of `now`.

    Postponed work, and the work of companies that have moved to another installation, is not counted.
    """
    counts = tx.execute(
        text(
            f"SELECT (SELECT count(*) FROM lines WHERE due_at <= :now AND {has_not_moved('lines')}) "
            f"+ (SELECT count(*) FROM set_aside WHERE due_at <= :now AND {has_not_moved('set_aside')}) "
            f"+ (SELECT count(*) FROM account_marks WHERE {has_not_moved('account_marks')} "
            f"AND NOT {distribution_queue.IS_POSTPONED}) AS due, "
            f"(SELECT count(*) FROM lines WHERE due_at > :now AND {has_not_moved('lines')}) AS later"
        ),
        {"now": now},
    ).one()
    by_policy = acceptable_findings.load(tx, None, policy="auto")
    waiting = postponed_work.load_waiting(tx, WorkKind.ACCEPT_EXCEPTION, now)
    return Backlog(counts.due + len(set(by_policy) - waiting), counts.later, finding_candidates.count(tx))


_HAS_DUE_QUERY = f"SELECT EXISTS ({due_rows('lines')}) OR EXISTS ({due_rows_with_unknown_company('set_aside')})"
_HAS_QUEUED_QUERY = (
    f"SELECT EXISTS (SELECT FROM account_marks WHERE {has_not_moved('account_marks')} "
    f"AND NOT {distribution_queue.IS_POSTPONED})"
)


def has_due_items(tx: Transaction, now: datetime) -> bool:
    """Return whether a line or a dead letter is due. Reads an index once for each company with held payments."""
    return bool(tx.execute(text(_HAS_DUE_QUERY), {"now": now, "limit": 1}).scalar_one())


def has_queued_accounts(tx: Transaction) -> bool:
    """Return whether an account waits for its immediate distribution. Postponed accounts do not count."""
    return bool(tx.execute(text(_HAS_QUEUED_QUERY)).scalar_one())
