"""Requeue payments that did not come through: they are judged again, by the settings of now.

PostgreSQL keeps the wish, so it holds while the queue is down and when it is asked twice.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from payments.contract.errors import refused_number
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
    """How many payments are to be judged again, and which of the given keys name none that needs it."""

    count: int
    passed_over: tuple[str, ...] = ()


def requeue(tx: Transaction, keys: Sequence[str], now: datetime, who: str) -> Requeued:
    """Requeue payments by their printed keys. A payment that is in Billing already is passed over."""
    numbers = {key: number for key in keys if (number := refused_number(key)) is not None}
    readings = {key: list(LineKey.readings(key)) for key in keys if key not in numbers}
    wanted = [reading for each in readings.values() for reading in each]
    found = {*requeues.requeue_keys(tx, wanted, now, who)}
    aside = {*requeues.requeue_set_aside(tx, list(numbers.values()), wanted, now, who)}
    done = {str(each) for each in found | aside} | {key for key, number in numbers.items() if number in aside}
    return Requeued(len(found | aside), tuple(key for key in keys if key not in done))


def requeue_matching(tx: Transaction, choice: Choice, now: datetime, who: str) -> Requeued:
    """Requeue every payment with this status and, where given, this reason and clinic."""
    count = requeues.requeue_matching(tx, choice, now, who)
    return Requeued(count + requeues.requeue_set_aside_matching(tx, choice, now, who))


@dataclass(slots=True)
class Expected:
    """What a requeue would come to for some payments of it: they flow, wait for a biller, or stay out for a `reason`.

    How many there are, their sum in dollars, and the months that they are dated in; of `was` each earlier reason.
    """

    reason: Reason | None
    is_closed: bool
    number: int = 0
    total: Money = ZERO
    months: set[Month] = field(default_factory=set)
    was: Counter[Reason | None] = field(default_factory=Counter)

    @property
    def flows(self) -> bool:
        """Whether Billing takes them."""
        return self.reason is None and not self.is_closed


class Foreseen(NamedTuple):
    """What a run would requeue, by what it would come to, and how many events that are to be read once more."""

    lines: Sequence[Expected]
    unread: int

    @property
    def number(self) -> int:
        """How many there are of both."""
        return sum(each.number for each in self.lines) + self.unread


def foresee(tx: Transaction, wanted: Wanted, now: datetime) -> Foreseen:
    """Foresee what a run would come to by the settings of now, what flows first."""
    groups = requeue_candidates.alike(tx, wanted)
    known = clinics.load(tx, {group.clinic_id for group in groups})
    settings = {name: clinic.settings_at(now) for name, clinic in known.items()}
    found: dict[tuple[Reason | None, bool], Expected] = {}
    for group in groups:
        reason = _stays_out(group, settings.get(group.clinic_id, SWITCHED_OFF))
        is_closed = group.is_closed and reason is None
        expected = found.setdefault((reason, is_closed), Expected(reason, is_closed))
        expected.number += group.number
        expected.total += group.total
        expected.was[group.reason] += group.number
        expected.months |= {Month.of(group.month)} if group.month else set()
    in_order = sorted(found.values(), key=lambda each: (each.reason is not None, each.is_closed, each.reason or ""))
    return Foreseen(in_order, requeue_candidates.count_aside(tx, wanted))


def _stays_out(group: RequeueGroup, settings: ClinicSettings) -> Reason | None:
    if group.internal_payment:
        return Reason.INTERNAL_PAYMENT
    return exclusion_reason(settings, group.charge_type) if group.charge_type else None


def begin_run(tx: Transaction, wanted: Wanted, now: datetime, who: str) -> int:
    """Begin to requeue all that match, as of now, and return the run's number; `step` does the work."""
    begun = Begun(wanted, requeue_candidates.count(tx, wanted), requeue_candidates.last_numbers(tx))
    return requeue_runs.add(tx, begun, now, who)


def show_run(tx: Transaction, number: int) -> RequeueRun | None:
    """Return how far a run is."""
    return requeue_runs.load(tx, number)


def step(tx: Transaction, number: int, now: datetime, limit: int) -> bool:
    """Requeue the next `limit` of a run at most, and return whether there is more to do. A stopped run does nothing."""
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
    """Stop a run between two steps; what was requeued stays so."""
    run = requeue_runs.load(tx, number, lock=True)
    if run is not None and run.state == RUNNING:
        requeue_runs.move(tx, replace(run, state=STOPPED, moved_at=now))


def resume_run(tx: Transaction, number: int, now: datetime) -> None:
    """Take up a run that was stopped, or whose console ended on the way."""
    run = requeue_runs.load(tx, number, lock=True)
    if run is not None and run.state != DONE:
        requeue_runs.move(tx, replace(run, state=RUNNING, moved_at=now))
