"""Requeue payments that did not come through: they are judged again, by the settings of now.

PostgreSQL keeps the wish, so it holds while the queue is down and when it is asked twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from payments.core.event import LineKey
from payments.store import requeues
from payments.store.requeues import Choice
from payments.store.session import Transaction

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
