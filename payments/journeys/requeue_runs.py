"""Requeue runs: requeue all payments that match a filter, chunk by chunk, and report the results.

A run and its progress are stored as a row in PostgreSQL. The back office requeues the payments of a run, so no run is
lost when a process ends. A command may also requeue them itself. If the command ends early, the back office continues.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from payments.core.postponed_work import Selection, WorkItem, WorkKind
from payments.core.requeue_result import RequeueResult, ResultCount
from payments.core.scope import Scope
from payments.store.db.connection import Transaction
from payments.store.feed import requeue_candidates, requeue_items, requeue_runs, requeues
from payments.store.feed.feed_filter import FeedFilter
from payments.store.feed.requeue_runs import DONE, RUNNING, STOPPED, NewRun, RequeueRun
from payments.store.ledger import admission, postponed_work

__all__ = ["RUNNING", "RequeueRun"]

EVALUATION_TIME_MAX = timedelta(days=1)
"""The time after which the outcome of a finished run is stored even if some payments still wait. Payments of a company
that has moved to another installation wait forever."""


class MoreThanConfirmedError(ValueError):
    """More payments match now than the user has confirmed. Nothing was requeued."""

    def __init__(self, confirmed: int, matching: int) -> None:
        super().__init__(
            f"{matching:,} payments match now, you confirmed {confirmed:,}; nothing was requeued. "
            "Look at the payments again, then confirm"
        )


class StartedRun(NamedTuple):
    """A requeue run that was started: its id, and the number of payments that match its filter."""

    run_id: int
    matching: int


class RunPage(NamedTuple):
    """A page of requeue runs, newest first. `next_before` is the argument for the next page, None on the last page."""

    runs: Sequence[RequeueRun]
    next_before: int | None


def start_run(
    tx: Transaction, feed_filter: FeedFilter, now: datetime, who: str, confirmed: int | None = None
) -> StartedRun:
    """Store a run for all payments that match now, to be requeued by `requeue_next_chunk`.

    `confirmed` is the number of payments that the user has seen and confirmed. Raises MoreThanConfirmedError if more
    payments match now.
    """
    selected = requeue_candidates.count(tx, feed_filter)
    if confirmed is not None and selected > confirmed:
        raise MoreThanConfirmedError(confirmed, selected)
    run_id = requeue_runs.add(tx, NewRun(feed_filter, selected, requeue_candidates.highest_row_ids(tx)), now, who)
    return StartedRun(run_id, selected)


def show_run(tx: Transaction, run_id: int, scope: Scope) -> RequeueRun | None:
    """Return a run, or None if it does not exist or selects payments outside the scope."""
    run = requeue_runs.load(tx, run_id)
    return run if run is not None and scope.includes(run.feed_filter.scope) else None


def list_runs(tx: Transaction, scope: Scope, before: int | None, limit: int) -> RunPage:
    """Return a page of the runs that a scope includes, newest first. A page may have fewer than `limit` runs."""
    found = requeue_runs.list_page(tx, before, limit)
    visible = [run for run in found if scope.includes(run.feed_filter.scope)]
    return RunPage(visible, found[-1].id if len(found) == limit else None)


def read_outcome(tx: Transaction, run: RequeueRun) -> Sequence[ResultCount]:
    """Return the results of the payments that a run has requeued.

    These are the stored outcome of the run or, until it is stored, the current results.
    """
    return run.outcome if run.outcome is not None else requeue_items.count_results(tx, run.id)


def has_unfinished_run(tx: Transaction) -> bool:
    """Return whether a run has payments to requeue, or an outcome that is not stored yet."""
    return requeue_runs.has_unfinished_run(tx)


def requeue_next_chunk(tx: Transaction, run_id: int, now: datetime, limit: int) -> bool:
    """Requeue up to `limit` payments of a run. Return whether more payments remain.

    If the run is stopped, done or unknown, nothing happens and the result is False. Locks the run's row.
    """
    admission.share_lock(tx)
    run = requeue_runs.load(tx, run_id, lock=True)
    if run is None or run.state != RUNNING:
        return False
    return _requeue_chunk(tx, run, now, limit)


def requeue_chunk_of_next_run(tx: Transaction, now: datetime, limit: int, selection: Selection) -> bool:
    """Requeue up to `limit` payments of the run that has waited longest, so that the runs take turns.

    Return False if there is no run to continue. Postponed runs, and runs that another transaction has locked, are
    skipped. Sets `selection.selected` to the run. Locks the run's row.
    """
    admission.share_lock(tx)
    if selection.only is None:
        postponed = postponed_work.load(tx, WorkKind.REQUEUE_RUN)
        run = requeue_runs.lock_next_running(tx, [int(item.item_id) for item in postponed])
    else:
        run = requeue_runs.load(tx, int(selection.only[0].item_id), lock=True)
    if run is None or run.state != RUNNING:
        return False
    selection.selected = [WorkItem(run.company_id or "", str(run.id))]
    _requeue_chunk(tx, run, now, limit)
    return True


def _requeue_chunk(tx: Transaction, run: RequeueRun, now: datetime, limit: int) -> bool:
    lines = requeue_candidates.lines_page(tx, run.feed_filter, run.lines, limit)
    dead = [] if lines else requeue_candidates.dead_letters_page(tx, run.feed_filter, run.dead_letters, limit)
    keys = set(requeues.requeue_lines(tx, [line.key for line in lines], now, run.started_by))
    line_refs = [line.line_ref for line in lines if line.key in keys]
    dead_done = requeues.requeue_dead_letters(tx, dead, (), now, run.started_by)
    requeue_items.add(tx, run.id, line_refs, [each for each in dead_done if isinstance(each, int)])
    is_done = not (lines or dead)
    progress = replace(
        run,
        done=run.done + len(keys) + len(dead_done),
        lines=run.lines._replace(after=lines[-1].line_ref) if lines else run.lines,
        dead_letters=run.dead_letters._replace(after=dead[-1]) if dead else run.dead_letters,
        updated_at=now,
        state=DONE if is_done else RUNNING,
        finished_at=now if is_done else None,
    )
    requeue_runs.update(tx, progress)
    return not is_done


def stop_run(tx: Transaction, run_id: int, now: datetime) -> None:
    """Stop a run before its next chunk. Payments that it has requeued stay requeued. Locks the run's row."""
    run = requeue_runs.load(tx, run_id, lock=True)
    if run is not None and run.state == RUNNING:
        requeue_runs.update(tx, replace(run, state=STOPPED, updated_at=now, finished_at=now))


def resume_run(tx: Transaction, run_id: int, now: datetime) -> None:
    """Resume a run that was stopped. Locks the run's row."""
    run = requeue_runs.load(tx, run_id, lock=True)
    if run is not None and run.state == STOPPED:
        requeue_runs.update(tx, replace(run, state=RUNNING, updated_at=now, finished_at=None, outcome=None))


def store_outcomes(tx: Transaction, now: datetime) -> int:
    """Store the outcome of each finished run whose payments were all evaluated. Return the number of these runs.

    Locks the rows of the runs.
    """
    stored = 0
    for run in requeue_runs.lock_finished(tx):
        outcome = requeue_items.count_results(tx, run.id)
        is_late = run.finished_at is not None and now - run.finished_at > EVALUATION_TIME_MAX
        if is_late or all(each.result is not RequeueResult.WAITING for each in outcome):
            requeue_runs.update(tx, replace(run, outcome=outcome))
            stored += 1
    return stored
