"""Requeue payments that did not come through: they are judged again, by the settings of now.

PostgreSQL keeps the wish, so it holds while the queue is down and when it is asked twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from payments.core.event import LineKey
from payments.store import feed_pages, requeue_runs, requeues
from payments.store.feed_pages import Wanted
from payments.store.requeue_runs import DONE, RUNNING, STOPPED, Begun, RequeueRun
from payments.store.requeues import Choice
from payments.store.session import Transaction

__all__ = ["Choice", "RequeueRun", "Wanted"]

REFUSED_PREFIX = "refused:"
"""How the feed names an event that has no readable key: this and its number."""


@dataclass(frozen=True, slots=True)
class Requeued:
    """How many payments are to be judged again, and which of the given keys name none that needs it."""

    count: int
    passed_over: tuple[str, ...] = ()


def requeue(tx: Transaction, keys: Sequence[str], now: datetime, who: str) -> Requeued:
    """Requeue payments by their printed keys. A payment that is in Billing already is passed over."""
    numbers = {
        key: int(number) for key in keys if (number := key.removeprefix(REFUSED_PREFIX)) != key and number.isdecimal()
    }
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


def count_matching(tx: Transaction, wanted: Wanted) -> int:
    """Count what a run would requeue, before anybody begins it."""
    return feed_pages.count(tx, wanted)


def begin_run(tx: Transaction, wanted: Wanted, now: datetime, who: str) -> int:
    """Begin to requeue all that match, as of now, and return the run's number; `step` does the work."""
    begun = Begun(wanted, feed_pages.count(tx, wanted), feed_pages.last_numbers(tx))
    return requeue_runs.add(tx, begun, now, who)


def show_run(tx: Transaction, number: int) -> RequeueRun | None:
    """Return how far a run is."""
    return requeue_runs.load(tx, number)


def step(tx: Transaction, number: int, now: datetime, limit: int) -> bool:
    """Requeue the next `limit` of a run at most, and return whether there is more to do. A stopped run does nothing."""
    run = requeue_runs.load(tx, number, lock=True)
    if run is None or run.state != RUNNING:
        return False
    picked = feed_pages.pick_lines(tx, run.wanted, (run.line_reached, run.line_last), limit)
    keys = [LineKey(*key) for _, *key in picked]
    aside = [] if picked else feed_pages.pick_aside(tx, run.wanted, (run.aside_reached, run.aside_last), limit)
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
