"""The Celery task of each import transaction, stored with the time and the worker of the transaction's history rows."""

from datetime import datetime
from typing import NamedTuple

from payments.core.scope import Scope
from payments.store.db.conditions import in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.pipeline import defer
from payments.store.db.printed_key import printed_key
from payments.store.db.statement import text


def add(tx: Transaction, at: datetime, who: str, task_id: str) -> None:
    """Record that the Celery task `task_id` made this transaction's changes, so that the history can name the task."""
    defer(
        tx,
        "INSERT INTO import_tasks (at, who, task_id) VALUES (:at, :who, :task_id) ON CONFLICT DO NOTHING",
        {"at": at, "who": who, "task_id": task_id},
    )


class TaskEvent(NamedTuple):
    """An event that a task added to a payment's history: its time, code, printed key and company."""

    at: datetime
    code: str
    payment: str
    company: str


def list_events(tx: Transaction, task_id: str, scope: Scope, limit: int) -> list[TaskEvent]:
    """Return up to `limit` events that a task added to the history, in order, for the payments of a scope."""
    query = (
        f"SELECT history.at, what, {printed_key(scope, 'lines')}, lines.company_id FROM import_tasks "
        "JOIN history ON history.at = import_tasks.at AND history.who = import_tasks.who "
        "JOIN lines ON lines.company_id = history.company_id AND lines.id = history.line_ref "
        f"WHERE task_id = :task_id{in_scope(scope, 'lines')} ORDER BY history.at, history.id LIMIT :limit"
    )
    found = tx.execute(text(query), scope_parameters(scope) | {"task_id": task_id, "limit": limit})
    return [TaskEvent._make(row) for row in found]


def drop_before(tx: Transaction, moment: datetime) -> int:
    """Delete the tasks of transactions before `moment`. Return the number deleted."""
    return tx.execute(text("DELETE FROM import_tasks WHERE at < :moment"), {"moment": moment}).rowcount
