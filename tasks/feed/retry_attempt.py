"""The retry attempts of a worker: re-evaluate due lines and dead letters. Postpone only the items that fail."""

import time
from collections.abc import Callable
from typing import NamedTuple

import structlog

from payments.core.due_selection import DueSelection
from payments.core.import_stats import ImportStats, RunContext
from payments.journeys import importing, retrying
from payments.store.db.connection import Transaction
from tasks.feed.attempt_errors import outage_of, summary_of
from tasks.resources import Resources
from tasks.transactions import run_in_transaction

log = structlog.get_logger()

TIME_SLICE_SECONDS = 2
"""The time slice of a task that retries due items. The task then ends, so that other tasks can run."""


class _DueItemKind(NamedTuple):
    """A kind of due items: the function that retries some items, and the function that postpones a failed item."""

    retry: Callable[[Transaction, RunContext, DueSelection], ImportStats]
    postpone: Callable[[Transaction, RunContext, int, str], ImportStats]


_DUE_ITEM_KINDS = (
    _DueItemKind(retrying.retry_due, retrying.postpone_line),
    _DueItemKind(importing.retry_dead_letters, retrying.reject_dead_letter_again),
)


def retry_due(
    resources: Resources, limit: int, time_slice_seconds: int = TIME_SLICE_SECONDS
) -> tuple[ImportStats, bool]:
    """Retry due lines and dead letters alternately for a time slice, up to `limit` items per transaction.

    Returns the statistics, and whether due items remain. The slice is short, so that pending entries do not wait for a
    large requeue. Raises errors that are outages.
    """
    stats, ends_at = ImportStats(), time.monotonic() + time_slice_seconds
    kinds = list(_DUE_ITEM_KINDS)
    while kinds:
        for kind in list(kinds):
            batch = _retry_or_bisect(resources, kind, DueSelection(limit))
            stats += batch
            if not batch.evaluated:
                kinds.remove(kind)
        if kinds and time.monotonic() >= ends_at:
            return stats, True
    return stats, False


def _retry_or_bisect(resources: Resources, kind: _DueItemKind, due: DueSelection) -> ImportStats:
    """Retry items in one transaction. After an error that is not an outage, retry each half separately.

    A single item that fails is postponed. Raises errors that are outages, and any error that occurs before the first
    item is locked.
    """
    try:
        return run_in_transaction(resources.database, lambda tx: kind.retry(tx, resources.run_context(), due))
    except Exception as error:
        if outage_of(error) or not due.selected:
            raise
        if len(due.selected) == 1:
            log.exception("retry_postponed", row_id=due.selected[0])
            return _postpone(resources, kind, due.selected[0], summary_of(error))
    half = len(due.selected) // 2
    first, second = (DueSelection(due.limit, only=ids) for ids in (due.selected[:half], due.selected[half:]))
    return _retry_or_bisect(resources, kind, first) + _retry_or_bisect(resources, kind, second)


def _postpone(resources: Resources, kind: _DueItemKind, row_id: int, error: str) -> ImportStats:
    return run_in_transaction(resources.database, lambda tx: kind.postpone(tx, resources.run_context(), row_id, error))
