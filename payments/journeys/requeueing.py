"""Requeue payments that were not imported: a worker re-evaluates them with the current settings.

The request is a row in PostgreSQL, so it survives an outage of the queue, and repeating it is harmless.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from payments.contract.errors import dead_letter_id
from payments.contract.money import ZERO, Money, total
from payments.core.eligibility import SWITCHED_OFF, ClinicSettings, exclusion_reason
from payments.core.month import Month
from payments.core.outcome import Reason, Status
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.connection import Transaction
from payments.store.feed import printed_keys, requeue_candidates, requeue_runs, requeues
from payments.store.feed.feed_filter import FeedFilter
from payments.store.feed.printed_keys import NamedPayments
from payments.store.feed.requeue_candidates import RequeueGroup
from payments.store.feed.requeue_runs import DONE, RUNNING, STOPPED, NewRun, RequeueRun
from payments.store.ledger import admission, clinics

__all__ = ["FeedFilter", "RequeueRun"]

REQUEUEABLE = frozenset({Status.NOT_SENT, Status.PENDING, Status.VALIDATION_FAILED})
"""The statuses of payments that can be requeued."""


class MoreThanConfirmedError(ValueError):
    """More payments match now than a person has confirmed; nothing was requeued."""

    def __init__(self, confirmed: int, matching: int) -> None:
        super().__init__(f"matching payments: {matching:,} now, {confirmed:,} when confirmed; nothing was requeued")


@dataclass(frozen=True, slots=True)
class Requeued:
    """The count of requeued payments, and the given keys that were skipped: already imported or not found."""

    count: int
    skipped: tuple[str, ...] = ()


def requeue(tx: Transaction, keys: Sequence[str], now: datetime, who: str, scope: Scope = EVERYTHING) -> Requeued:
    """Requeue payments by their printed keys. Keys that are already imported or not found in the scope are skipped.

    Raises AmbiguousIdError, and requeues none, if several companies of the scope have a key.
    """
    admission.share_lock(tx)
    numbers = {key: number for key in keys if (number := dead_letter_id(key)) is not None}
    visible = printed_keys.dead_letters_in_scope(tx, list(numbers.values()), scope)
    named = printed_keys.find(tx, (key for key in keys if key not in numbers), scope)
    named |= {
        key: NamedPayments(dead_letter_ids=[number] if number in visible else []) for key, number in numbers.items()
    }
    wanted = [key for each in named.values() for key in each.keys]
    ids = [number for each in named.values() for number in each.dead_letter_ids]
    done = {*requeues.requeue_lines(tx, wanted, now, who), *requeues.requeue_dead_letters(tx, ids, wanted, now, who)}
    return Requeued(
        len(done), tuple(key for key in keys if done.isdisjoint([*named[key].keys, *named[key].dead_letter_ids]))
    )


@dataclass(slots=True)
class ExpectedOutcome:
    """The expected outcome of a requeue for a group of payments.

    They would be sent if `reason` is None, and imported if their month is open (`is_closed` is False). `count` and
    `total` (dollars) describe the group, `months` are the months of its transaction dates, and `previous_reasons`
    counts the current reasons.
    """

    reason: Reason | None
    is_closed: bool
    count: int = 0
    total: Money = ZERO
    months: set[Month] = field(default_factory=set)
    previous_reasons: Counter[Reason | None] = field(default_factory=Counter)

    @property
    def would_be_imported(self) -> bool:
        """Whether Billing would import these payments."""
        return self.reason is None and not self.is_closed


class RequeuePreview(NamedTuple):
    """The payments that a run would requeue, by expected outcome, and the number of dead letters to process again."""

    lines: Sequence[ExpectedOutcome]
    dead_letter_count: int

    @property
    def total_count(self) -> int:
        """The number of payments and dead letters."""
        return sum(each.count for each in self.lines) + self.dead_letter_count

    @property
    def total(self) -> Money:
        """The sum of the payments in dollars. Dead letters have no reliable amount and add nothing."""
        return total(each.total for each in self.lines)


def preview_requeue(tx: Transaction, feed_filter: FeedFilter, now: datetime) -> RequeuePreview:
    """Preview a requeue run with the current settings. Groups that would be sent come first."""
    groups = requeue_candidates.groups(tx, feed_filter)
    known = clinics.load(tx, {group.clinic for group in groups})
    settings = {key: clinic.settings_at(now) for key, clinic in known.items()}
    found: dict[tuple[Reason | None, bool], ExpectedOutcome] = {}
    for group in groups:
        reason = _exclusion_reason(group, settings.get(group.clinic, SWITCHED_OFF))
        is_closed = group.is_closed and reason is None
        expected = found.setdefault((reason, is_closed), ExpectedOutcome(reason, is_closed))
        expected.count += group.line_count
        expected.total += group.total
        expected.previous_reasons[group.reason] += group.line_count
        expected.months |= {Month.of(group.month)} if group.month else set()
    in_order = sorted(found.values(), key=lambda each: (each.reason is not None, each.is_closed, each.reason or ""))
    return RequeuePreview(in_order, requeue_candidates.count_dead_letters(tx, feed_filter))


def _exclusion_reason(group: RequeueGroup, settings: ClinicSettings) -> Reason | None:
    if group.internal_payment:
        return Reason.INTERNAL_PAYMENT
    return exclusion_reason(settings, group.charge_type) if group.charge_type else None


class StartedRun(NamedTuple):
    """A run that was started: its id, and the number of payments that match its filter."""

    run_id: int
    matching: int


def start_run(
    tx: Transaction, feed_filter: FeedFilter, now: datetime, who: str, confirmed: int | None = None
) -> StartedRun:
    """Start a run that requeues all matching payments as of now; `requeue_next_chunk` does the work.

    `confirmed` is the number that a person has seen and confirmed. Raises MoreThanConfirmedError if more match now.
    """
    selected = requeue_candidates.count(tx, feed_filter)
    if confirmed is not None and selected > confirmed:
        raise MoreThanConfirmedError(confirmed, selected)
    run_id = requeue_runs.add(tx, NewRun(feed_filter, selected, requeue_candidates.last_ids(tx)), now, who)
    return StartedRun(run_id, selected)


def show_run(tx: Transaction, run_id: int) -> RequeueRun | None:
    """Return the progress of a run, or None if there is no such run."""
    return requeue_runs.load(tx, run_id)


def requeue_next_chunk(tx: Transaction, run_id: int, now: datetime, limit: int) -> bool:
    """Requeue up to `limit` payments of a run, and return whether more remain.

    Does nothing and returns False if the run is stopped, done or unknown. Locks the run's row.
    """
    admission.share_lock(tx)
    run = requeue_runs.load(tx, run_id, lock=True)
    if run is None or run.state != RUNNING:
        return False
    lines = requeue_candidates.lines_page(tx, run.feed_filter, run.lines, limit)
    dead = [] if lines else requeue_candidates.dead_letters_page(tx, run.feed_filter, run.dead_letters, limit)
    count = len(requeues.requeue_lines(tx, [line.key for line in lines], now, run.started_by))
    count += len(requeues.requeue_dead_letters(tx, dead, (), now, run.started_by))
    progress = replace(
        run,
        done=run.done + count,
        lines=run.lines._replace(after=lines[-1].line_ref) if lines else run.lines,
        dead_letters=run.dead_letters._replace(after=dead[-1]) if dead else run.dead_letters,
        updated_at=now,
        state=RUNNING if lines or dead else DONE,
    )
    requeue_runs.update(tx, progress)
    return progress.state == RUNNING


def stop_run(tx: Transaction, run_id: int, now: datetime) -> None:
    """Stop a run between two chunks. Payments that it has requeued stay requeued."""
    run = requeue_runs.load(tx, run_id, lock=True)
    if run is not None and run.state == RUNNING:
        requeue_runs.update(tx, replace(run, state=STOPPED, updated_at=now))


def resume_run(tx: Transaction, run_id: int, now: datetime) -> None:
    """Resume a run that was stopped, or whose process ended."""
    run = requeue_runs.load(tx, run_id, lock=True)
    if run is not None and run.state != DONE:
        requeue_runs.update(tx, replace(run, state=RUNNING, updated_at=now))
