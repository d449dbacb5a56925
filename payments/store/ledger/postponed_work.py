"""Items of recurring work that failed, and the times of their next attempts."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from payments.core.postponed_work import WorkItem, WorkKind
from payments.store.db.conditions import has_not_moved
from payments.store.db.connection import Transaction
from payments.store.db.statement import text


class Postponement(NamedTuple):
    """The number of failed attempts at an item, and the time of its next attempt."""

    failed_attempts: int
    next_try_at: datetime


class PostponedCount(NamedTuple):
    """The number of postponed items of one kind and company.

    `kind` is the value of a WorkKind. During an upgrade, it may be a kind of the later release.
    """

    company: str
    kind: str
    items: int


def is_postponed(kind: WorkKind, company_id: str, item_id: str, *, at: str | None = None) -> str:
    """Return the SQL condition that an item has failed and has not succeeded since.

    `company_id`, `item_id` and `at` are SQL expressions. With `at`, the item's next attempt must also be later than
    `at`.
    """
    later = "" if at is None else f" AND postponed.next_try_at > {at}"
    return (
        f"EXISTS (SELECT FROM postponed_work AS postponed WHERE postponed.company_id = {company_id} "
        f"AND postponed.kind = '{kind}' AND postponed.item_id = {item_id}{later})"
    )


def postpone(tx: Transaction, kind: WorkKind, item: WorkItem, error: str, now: datetime) -> Postponement:
    """Record a failed attempt at an item. Return the number of failed attempts and the time of the next attempt.

    `error` is the class and the first line of the error. The delay grows with each attempt.
    """
    found = tx.execute(
        text(
            "INSERT INTO postponed_work AS stored "
            "(company_id, kind, item_id, failed_attempts, error, first_failed_at, failed_at, next_try_at) "
            f"VALUES (:company_id, :kind, :item_id, 1, :error, :now, :now, :now + {_delay('1')}) "
            "ON CONFLICT (company_id, kind, item_id) DO UPDATE SET failed_attempts = stored.failed_attempts + 1, "
            "error = excluded.error, failed_at = excluded.failed_at, "
            f"next_try_at = excluded.failed_at + {_delay('stored.failed_attempts + 1')} "
            "RETURNING failed_attempts, next_try_at"
        ),
        item._asdict() | {"kind": kind, "error": error, "now": now, "delays": list(kind.delays)},
    )
    return Postponement(**found.mappings().one())


def load(tx: Transaction, kind: WorkKind) -> set[WorkItem]:
    """Return all postponed items of a kind."""
    found = tx.execute(text("SELECT company_id, item_id FROM postponed_work WHERE kind = :kind"), {"kind": kind})
    return {WorkItem(**row) for row in found.mappings()}


def load_due(tx: Transaction, kind: WorkKind, now: datetime, limit: int) -> list[WorkItem]:
    """Return up to `limit` postponed items whose next attempt is due. The earliest come first."""
    found = tx.execute(
        text(
            "SELECT company_id, item_id FROM postponed_work WHERE kind = :kind AND next_try_at <= :now "
            f"AND {has_not_moved('postponed_work')} ORDER BY next_try_at LIMIT :limit"
        ),
        {"kind": kind, "now": now, "limit": limit},
    )
    return [WorkItem(**row) for row in found.mappings()]


def load_waiting(tx: Transaction, kind: WorkKind, now: datetime) -> set[WorkItem]:
    """Return the postponed items of a kind whose next attempt is later than `now`."""
    found = tx.execute(
        text("SELECT company_id, item_id FROM postponed_work WHERE kind = :kind AND next_try_at > :now"),
        {"kind": kind, "now": now},
    )
    return {WorkItem(**row) for row in found.mappings()}


def drop_postponed(tx: Transaction, kind: WorkKind, items: Collection[WorkItem], now: datetime) -> list[WorkItem]:
    """Remove the postponed items from `items`, and return the others in the same order.

    `items` must be all items of this kind that need work. The record of an item that is missing from `items` is
    deleted, because its work is done.
    """
    for item in load(tx, kind) - set(items):
        clear(tx, kind, item)
    waiting = load_waiting(tx, kind, now)
    return [item for item in items if item not in waiting]


def clear(tx: Transaction, kind: WorkKind, item: WorkItem) -> None:
    """Delete the record of an item's failed attempts, because it succeeded or needs no further attempt."""
    tx.execute(
        text("DELETE FROM postponed_work WHERE company_id = :company_id AND kind = :kind AND item_id = :item_id"),
        item._asdict() | {"kind": kind},
    )


def counts(tx: Transaction) -> Sequence[PostponedCount]:
    """Count the postponed items by company and kind. Companies that have moved to another installation are omitted."""
    found = tx.execute(
        text(
            "SELECT company_id AS company, kind, count(*) AS items FROM postponed_work "
            f"WHERE {has_not_moved('postponed_work')} GROUP BY 1, 2 ORDER BY 1, 2"
        )
    )
    return [PostponedCount._make(row) for row in found]


def _delay(failed_attempts: str) -> str:
    """Return SQL for the delay after a number of failed attempts.

    `failed_attempts` is an SQL expression. The delays are the array parameter `:delays`.
    """
    return f"(CAST(:delays AS interval[]))[least({failed_attempts}, cardinality(CAST(:delays AS interval[])))]"
