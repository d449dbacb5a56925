"""Simulate events from a seed, and stream them during a fault."""

import itertools
import json
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

from emr.client import PaymentFeed, body_of
from emr.durability import Durability
from emr.errors import FeedError
from emr.simulator import clinics_of, simulate
from payments.journeys import configuring
from payments.journeys.configuring import SettingsUpdate
from payments.store.db.connection import Transaction
from tests.faults.oracle import Oracle, OracleClinic

CLINIC_COUNT = 10
CLOSED_MONTHS = ("2026-08", "2026-09")
END_OF_SEPTEMBER = datetime(2026, 10, 1, tzinfo=UTC)
_SETTINGS_SEED = 0
SOCKET_SECONDS = 4
MEMORY_DURABILITY = Durability()
"""An event counts as published when the primary of Redis has it in memory."""


class Pace(NamedTuple):
    """The pace of a publisher: events per second, minimum number of events, and events per chunk."""

    rate: float
    events_min: float
    chunk: int

    @classmethod
    def of(cls, rate: float, events_min: float) -> "Pace":
        """Return a pace of 20 chunks per second."""
        return cls(rate, events_min, max(1, round(rate / 20)))


def configure_clinics(tx: Transaction) -> Oracle:
    """Configure the simulated clinics, and return an oracle with the same settings."""
    chosen = clinics_of(CLINIC_COUNT, _SETTINGS_SEED)
    for clinic in chosen:
        update = SettingsUpdate(clinic.clinic_id, clinic.company_id, clinic.integration, list(clinic.types))
        configuring.set_clinic(tx, update, now=datetime.now(UTC), who="user:admin")
    return Oracle(
        {
            clinic.clinic_id: OracleClinic(clinic.company_id, clinic.integration, frozenset(map(str, clinic.types)))
            for clinic in chosen
        }
    )


def events_of_days(seed: int, first_day: date, count: int) -> list[tuple[datetime, bytes]]:
    """Return (arrival time, body) of the events of `count` days from `first_day`, in order of arrival."""
    return [(each.arrives_at, body_of(each.event)) for each in simulate(CLINIC_COUNT, count, seed, first_day)]


def september_events() -> tuple[list[bytes], list[bytes]]:
    """Return two lists of event bodies of two weeks from September 22: before END_OF_SEPTEMBER, and later."""
    events = events_of_days(_SETTINGS_SEED, date(2026, 9, 22), 14)
    return [body for at, body in events if at < END_OF_SEPTEMBER], [
        body for at, body in events if at >= END_OF_SEPTEMBER
    ]


def october_events(seed: int) -> Iterator[bytes]:
    """Yield an endless stream of events of October. A few change payments of closed months."""
    for number in itertools.count(seed * 10_000):
        first_day = date(2026, 10, 1 + number % 24)
        yield from (body for _, body in events_of_days(number, first_day, 7))


def open_feed(url: str, durability: Durability = MEMORY_DURABILITY) -> PaymentFeed:
    """Return a feed that gives up after SOCKET_SECONDS, so that an event is published again soon after a fault."""
    return PaymentFeed(f"{url}{'&' if '?' in url else '?'}socket_timeout={SOCKET_SECONDS}", durability=durability)


class Publisher(threading.Thread):
    """A thread that streams events at a pace. It repeats each chunk until the feed confirms it.

    The thread ends after the last event, or, if `enough` is set, after at least `events_min` events.
    """

    def __init__(self, url: str, bodies: Iterable[bytes], pace: Pace) -> None:
        super().__init__(name="publisher", daemon=True)
        self.url, self.bodies, self.pace = url, iter(bodies), pace
        self.enough = threading.Event()
        self.events: list[bytes] = []
        self.repeats = self.losses = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            with open_feed(self.url) as feed:
                self._publish_stream(feed)
        except BaseException as error:  # noqa: BLE001 (it is raised where someone waits for the end)
            self.error = error

    def finish(self, seconds_max: float = 300) -> list[bytes]:
        """Stop publishing, and return the published events."""
        self.enough.set()
        self.join(seconds_max)
        if self.error:
            raise self.error
        assert not self.is_alive(), f"{len(self.events)} published"
        return self.events

    def _publish_stream(self, feed: PaymentFeed) -> None:
        next_at = time.monotonic()
        while some := list(itertools.islice(self.bodies, self.pace.chunk)):
            while not self._try_publish(feed, some):
                time.sleep(0.02)
            self.events += some
            if self.enough.is_set() and len(self.events) >= self.pace.events_min:
                return
            next_at = max(next_at + len(some) / self.pace.rate, time.monotonic() - 1)
            time.sleep(max(0.0, next_at - time.monotonic()))

    def _try_publish(self, feed: PaymentFeed, some: list[bytes]) -> bool:
        try:
            feed.publish_many(some)
        except FeedError:
            self.repeats += len(some)
            return False
        return True


def record_all(oracle: Oracle, bodies: Sequence[bytes]) -> None:
    """Record published events in the oracle."""
    for body in bodies:
        oracle.record(json.loads(body))
