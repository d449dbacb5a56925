"""Isolate failing items in a sweep: an item that fails is postponed and logged, and the sweep continues.

An outage is not the fault of an item, so no item is postponed. The sweep ends with the error, and Celery beat sends its
task again later.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

import structlog

from payments.core.outage import OutageReason
from payments.core.postponed_work import Selection, WorkItem, WorkKind
from payments.journeys import postponing
from payments.store.db.connection import Database, Transaction
from tasks.feed.attempt_errors import outage_of, summary_of
from tasks.transactions import run_in_transaction

log = structlog.get_logger()

_T = TypeVar("_T")
Work = Callable[[Transaction, Selection], _T]
"""A function that selects items, sets `Selection.selected` to them, and then processes them in the transaction."""


def is_locked(error: Exception) -> bool:
    """Return whether the error means that another transaction holds locks on rows of an item."""
    return outage_of(error) in {OutageReason.LOCK_TIMEOUT, OutageReason.CONFLICT}


def is_outage(error: Exception) -> bool:
    """Return whether the error means that no item can be processed at present.

    Locked rows are not an outage, because other items may need other rows.
    """
    return outage_of(error) is not None and not is_locked(error)


def run_or_bisect(
    database: Database, kind: WorkKind, work: Work[_T], selection: Selection, now: datetime
) -> list[_T | None]:
    """Run `work` in one transaction. After an error, run it on each half of the items, down to single items.

    A single item that fails is postponed. Returns the result of each transaction that committed, and None for each
    postponed item. Raises errors that are outages, and any error before `work` has set `Selection.selected`.
    """
    try:
        return [run_in_transaction(database, lambda tx: work(tx, selection))]
    except Exception as error:
        if is_outage(error) or not selection.selected:
            raise
        if len(selection.selected) == 1:
            postpone(database, kind, selection.selected[0], error, now)
            return [None]
        log.warning("batch_split", kind=kind, items=len(selection.selected), error_class=type(error).__name__)
    return run_halves(database, kind, work, selection.selected, now)


def run_halves(
    database: Database, kind: WorkKind, work: Work[_T], items: Sequence[WorkItem], now: datetime
) -> list[_T | None]:
    """Run `work` on each half of the items, in separate transactions. Errors are handled as in `run_or_bisect`."""
    half = len(items) // 2
    parts = [part for part in (items[:half], items[half:]) if part]
    return [each for part in parts for each in run_or_bisect(database, kind, work, Selection(part), now)]


def retry_postponed(database: Database, kind: WorkKind, work: Work[_T], now: datetime) -> list[_T]:
    """Run `work` on each postponed item whose next attempt is due, in separate transactions. Return the results.

    A success ends the postponement, and a failure extends it. Raises errors that are outages.
    """

    def retry_item(tx: Transaction, selection: Selection) -> _T:
        selection.selected = selection.only or ()
        result = work(tx, Selection(selection.only))
        postponing.clear(tx, kind, selection.selected[0])
        return result

    due = run_in_transaction(database, lambda tx: postponing.due_again(tx, kind, now))
    results = [each for item in due for each in run_or_bisect(database, kind, retry_item, Selection([item]), now)]
    return [each for each in results if each is not None]


def postpone(database: Database, kind: WorkKind, item: WorkItem, error: Exception, now: datetime) -> None:
    """Postpone an item that failed, and log an error that names it."""
    summary = summary_of(error)
    postponed = run_in_transaction(database, lambda tx: postponing.postpone(tx, kind, item, summary, now))
    log.error("work_postponed", kind=kind, **item._asdict(), **postponed._asdict(), exc_info=error)
