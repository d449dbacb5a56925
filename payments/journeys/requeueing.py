"""Requeue payments that were not imported: a worker re-evaluates them with the current settings.

The request is a row in PostgreSQL, so it survives an outage of the queue, and repeating it is harmless.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from payments.contract.errors import dead_letter_id
from payments.contract.event import LineKey
from payments.contract.money import ZERO, Money
from payments.core.eligibility import SWITCHED_OFF, ClinicSettings, exclusion_reason
from payments.core.month import Month
from payments.core.outcome import Reason
from payments.store.db.connection import Transaction
from payments.store.feed import requeue_candidates, requeue_runs, requeues
from payments.store.feed.requeue_candidates import RequeueGroup
from payments.store.feed.requeue_runs import DONE, RUNNING, STOPPED, Begun, RequeueRun
from payments.store.feed.requeues import Choice
from payments.store.ledger import clinics
from payments.store.reports.claims_feed_filter import Wanted

__all__ = ["Choice", "RequeueRun", "Wanted"]


@dataclass(frozen=True, slots=True)
class Requeued:
    """How many payments were requeued, and which of the given keys were skipped because they need no requeue."""

    count: int
    passed_over: tuple[str, ...] = ()


def requeue(tx: Transaction, keys: Sequence[str], now: datetime, who: str) -> Requeued:
    """Requeue payments by their printed keys. Payments that are already in Billing are skipped."""
    numbers = {key: number for key in keys if (number := dead_letter_id(key)) is not None}
    readings = {key: list(LineKey.parse_all(key)) for key in keys if key not in numbers}
    wanted = [reading for each in readings.values() for reading in each]
    found = {*requeues.requeue_keys(tx, wanted, now, who)}
    aside = {*requeues.requeue_set_aside(tx, list(numbers.values()), wanted, now, who)}
    done = {str(each) for each in found | aside} | {key for key, number in numbers.items() if number in aside}
    return Requeued(len(found | aside), tuple(key for key in keys if key not in done))


def requeue_matching(tx: Transaction, choice: Choice, now: datetime, who: str) -> Requeued:
    """Requeue every payment with this status and, if given, this reason and clinic."""
    count = requeues.requeue_matching(tx, choice, now, who)
    return Requeued(count + requeues.requeue_set_aside_matching(tx, choice, now, who))


@dataclass(slots=True)
class ExpectedOutcome:
    """The expected outcome of a requeue for a group of payments.

    They flow if `reason` is None and their month is open (`is_closed` is False). `count` and `total` (dollars) describe
    the group, `months` are those of its transaction dates, and `previous_reasons` counts its present reasons.
    """

    reason: Reason | None
    is_closed: bool
    count: int = 0
    total: Money = ZERO
    months: set[Month] = field(default_factory=set)
    previous_reasons: Counter[Reason | None] = field(default_factory=Counter)

    @property
    def flows(self) -> bool:
        """Whether Billing would import them."""
        return self.reason is None and not self.is_closed


class RequeuePreview(NamedTuple):
    """What a run would requeue: payments by expected outcome, and the number of dead letters to read again."""

    lines: Sequence[ExpectedOutcome]
    dead_letter_count: int

    @property
    def total_count(self) -> int:
        """The number of payments and dead letters."""
        return sum(each.count for each in self.lines) + self.dead_letter_count


def preview_requeue(tx: Transaction, wanted: Wanted, now: datetime) -> RequeuePreview:
    """Preview a run with the current settings. Groups that would flow come first."""
    groups = requeue_candidates.alike(tx, wanted)
    known = clinics.load(tx, {group.clinic_id for group in groups})
    settings = {name: clinic.settings_at(now) for name, clinic in known.items()}
    found: dict[tuple[Reason | None, bool], ExpectedOutcome] = {}
    for group in groups:
        reason = _stays_out(group, settings.get(group.clinic_id, SWITCHED_OFF))
        is_closed = group.is_closed and reason is None
        expected = found.setdefault((reason, is_closed), ExpectedOutcome(reason, is_closed))
        expected.count += group.number
        expected.total += group.total
        expected.previous_reasons[group.reason] += group.number
        expected.months |= {Month.of(group.month)} if group.month else set()
    in_order = sorted(found.values(), key=lambda each: (each.reason is not None, each.is_closed, each.reason or ""))
    return RequeuePreview(in_order, requeue_candidates.count_aside(tx, wanted))


def _stays_out(group: RequeueGroup, settings: ClinicSettings) -> Reason | None:
    if group.internal_payment:
        return Reason.INTERNAL_PAYMENT
    return exclusion_reason(settings, group.charge_type) if group.charge_type else None


def start_run(tx: Transaction, wanted: Wanted, now: datetime, who: str) -> int:
    """Start a run that requeues all matching payments as of now, and return its id.

    `requeue_next_chunk` does the work.
    """
    begun = Begun(wanted, requeue_candidates.count(tx, wanted), requeue_candidates.last_numbers(tx))
    return requeue_runs.add(tx, begun, now, who)


def show_run(tx: Transaction, number: int) -> RequeueRun | None:
    """Return the progress of a run, or None if there is no such run."""
    return requeue_runs.load(tx, number)


def requeue_next_chunk(tx: Transaction, number: int, now: datetime, limit: int) -> bool:
    """Requeue up to `limit` payments of a run, and return whether more remain. A stopped run is left alone.

    Locks the run's row.
    """
    run = requeue_runs.load(tx, number, lock=True)
    if run is None or run.state != RUNNING:
        return False
    picked = requeue_candidates.pick_lines(tx, run.wanted, (run.line_reached, run.line_last), limit)
    keys = [LineKey(*key) for _, *key in picked]
    aside = [] if picked else requeue_candidates.pick_aside(tx, run.wanted, (run.aside_reached, run.aside_last), limit)
    count = len(requeues.requeue_keys(tx, keys, now, run.begun_by))
    count += len(requeues.requeue_set_aside(tx, aside, (), now, run.begun_by))
    moved = replace(
        run,
        done=run.done + count,
        line_reached=picked[-1].number if picked else run.line_reached,
        aside_reached=aside[-1] if aside else run.aside_reached,
        moved_at=now,
        state=RUNNING if picked or aside else DONE,
    )
    requeue_runs.move(tx, moved)
    return moved.state == RUNNING


def stop_run(tx: Transaction, number: int, now: datetime) -> None:
    """Stop a run between two chunks. Payments that it has requeued stay requeued."""
    run = requeue_runs.load(tx, number, lock=True)
    if run is not None and run.state == RUNNING:
        requeue_runs.move(tx, replace(run, state=STOPPED, moved_at=now))


def resume_run(tx: Transaction, number: int, now: datetime) -> None:
    """Resume a run that was stopped, or whose process ended."""
    run = requeue_runs.load(tx, number, lock=True)
    if run is not None and run.state != DONE:
        requeue_runs.move(tx, replace(run, state=RUNNING, moved_at=now))
