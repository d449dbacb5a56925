"""The work queue of Billing Exceptions: the owner of each open exception (rule D6).

A decision locks the line before the exception. The statements here lock only the exception, so they cannot deadlock
with a decision.
"""

from datetime import datetime
from typing import NamedTuple

from payments.core.scope import Scope
from payments.store.db.as_of import changed_at
from payments.store.db.conditions import in_scope, parameters_of, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.reports.exceptions import (
    HAS_PROPOSAL,
    IS_OVERDUE,
    JOIN_DUE_DATE,
    JOIN_LINES,
    ExceptionFilter,
    finding_joins,
    where,
)


class ExceptionWork(NamedTuple):
    """The number of open exceptions in each queue: all, with a proposal, of one user, without an owner, overdue."""

    open: int
    to_post: int
    mine: int
    unassigned: int
    overdue: int


def claim_next(tx: Transaction, exception_filter: ExceptionFilter, owner: str, now: datetime) -> int | None:
    """Give the oldest matching open exception without an owner to `owner`. Return its id, or None if there is none.

    Two users never get the same exception. Locks: the exception FOR NO KEY UPDATE. Locked exceptions are skipped.
    """
    claimed = tx.execute(
        text(
            "WITH next AS MATERIALIZED (SELECT findings.company_id, findings.id "
            f"FROM findings {finding_joins(exception_filter)} {where(exception_filter)} "
            "AND findings.status = 'open' AND owner IS NULL "
            "ORDER BY findings.id LIMIT 1 FOR NO KEY UPDATE OF findings SKIP LOCKED) "
            f"UPDATE findings SET owner = :new_owner, {changed_at('findings')} FROM next "
            "WHERE findings.company_id = next.company_id AND findings.id = next.id RETURNING findings.id"
        ),
        parameters_of(exception_filter) | {"new_owner": owner, "now": now},
    )
    found: int | None = claimed.scalar_one_or_none()
    return found


def set_owner(tx: Transaction, finding_id: int, owner: str | None, now: datetime) -> None:
    """Change the owner of an exception that this transaction has locked."""
    tx.execute(
        text(f"UPDATE findings SET owner = :owner, {changed_at('findings')} WHERE id = :id"),
        {"id": finding_id, "owner": owner, "now": now},
    )


def count_work(tx: Transaction, scope: Scope, owner: str, now: datetime) -> ExceptionWork:
    """Count the open exceptions of a scope by queue. `owner` is the user whose exceptions are in the queue `mine`."""
    own = {"to_post": HAS_PROPOSAL, "mine": "owner = :owner", "unassigned": "owner IS NULL", "overdue": IS_OVERDUE}
    counts = ", ".join(f"count(*) FILTER (WHERE {condition}) AS {name}" for name, condition in own.items())
    query = (
        f"SELECT count(*) AS open, {counts} FROM findings {JOIN_LINES} {JOIN_DUE_DATE} "
        f"WHERE findings.status = 'open'{in_scope(scope, 'lines')}"
    )
    found = tx.execute(text(query), {"owner": owner, "overdue_at": now, **scope_parameters(scope)})
    return ExceptionWork(**found.mappings().one())
