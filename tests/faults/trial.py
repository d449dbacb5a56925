"""Run fault trials: stream events, inject a fault, wait until the stack is idle, and check the invariants."""

import itertools
import json
import math
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import redis
from kombu.exceptions import OperationalError

from config.celery import celery_settings
from emr.durability import Durability
from emr.errors import FeedError
from payments.core.month import Month
from payments.store.db.connection import transaction
from tasks import health
from tasks.app import make_app
from tasks.closing import close_month
from tests.faults import invariants
from tests.faults.oracle import Oracle
from tests.faults.processes import wait_for
from tests.faults.running_stack import RunningStack
from tests.faults.workload import (
    CLOSED_MONTHS,
    Pace,
    Publisher,
    configure_clinics,
    october_events,
    open_feed,
    record_all,
    september_events,
)

RESULTS_FOLDER = Path(__file__).resolve().parents[2] / "build" / "faults"
RECOVERY_SECONDS_MAX = 60
EVENTS_PER_SECOND = 400
EVENTS_MIN = 2_000
"""The minimum number of events of a trial."""

MakePublisher = Callable[[Iterator[bytes]], Publisher]
"""A function that makes the publisher of a trial from the bodies of the events."""


@dataclass
class TrialResult:
    """The result of a fault that was injected `times` times: a row of the table in docs/explanation/reliability.md."""

    fault: str
    times: int
    events: int = 0
    lost: int = 0
    doubled: int = 0
    recovery_seconds: float | None = None
    note: str = ""

    def write(self, folder: Path) -> None:
        """Write the result as JSON for the table of docs/explanation/reliability.md."""
        folder.mkdir(parents=True, exist_ok=True)
        name = "".join(each if each.isalnum() else "-" for each in self.fault.lower())
        content = asdict(self) | {"at": datetime.now(UTC).isoformat(timespec="seconds"), "cores": os.cpu_count()}
        (folder / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")


class Trial:
    """A running stack with two closed months, and an oracle that has recorded all published events."""

    def __init__(self, stack: RunningStack, *, keeps_results: bool) -> None:
        self.stack, self.keeps_results = stack, keeps_results
        self.seed = 0
        self.later: list[bytes] = []
        self.durability = Durability()

    def prepare(self) -> None:
        """Publish the events before END_OF_SEPTEMBER, and close the months in CLOSED_MONTHS."""
        self._use_broker_of_stack()
        with transaction(self.stack.database) as tx:
            self.oracle: Oracle = configure_clinics(tx)
        before, self.later = september_events()
        publisher = Publisher(self.stack.engines.redis_url, before, Pace.of(5_000, math.inf))
        publisher.start()
        record_all(self.oracle, publisher.finish())
        self.stack.wait_until_idle()
        companies = sorted({clinic.company for clinic in self.oracle.clinics.values()})
        for month in CLOSED_MONTHS:
            for company in companies:
                close_month(self.stack.database, company, Month.parse(month), datetime.now(UTC), "user:biller")
            self.oracle.close(month)
        with transaction(self.stack.database) as tx:
            self.closed: dict[str, Decimal] = invariants.closed_month_totals(tx, self.oracle)

    @contextmanager
    def run(
        self,
        fault: str,
        *,
        times: int,
        events: int = 0,
        rate: float = EVENTS_PER_SECOND,
        make_publisher: MakePublisher | None = None,
    ) -> Iterator[TrialResult]:
        """Stream events while the block injects a fault. Then wait until the stack is idle, and check the invariants.

        `rate` events per second are published, until the block has ended and at least `events` and EVENTS_MIN events
        are published. `make_publisher` can replace the usual publisher. The yielded result is complete after the block.
        """
        self.seed += 1
        result = TrialResult(fault, times)
        bodies, self.later = itertools.chain(self.later, october_events(self.seed)), []
        events = max(EVENTS_MIN, events)
        straight = Publisher(self.stack.engines.redis_url, bodies, Pace.of(rate, events))
        publisher = make_publisher(bodies) if make_publisher else straight
        publisher.start()
        wait_for(lambda: publisher.events or publisher.error, 30, "the first events are on the feed")
        try:
            yield result
        finally:
            published = publisher.finish()
            record_all(self.oracle, published)
        self.stack.wait_until_idle()
        with transaction(self.stack.database) as tx:
            found = invariants.find_violations(tx, self.oracle, self.closed)
        result.events = len(published)
        assert result.events >= EVENTS_MIN
        result.times += publisher.losses
        if publisher.repeats:
            result.note = f"{result.note}; {publisher.repeats:,} events published again".removeprefix("; ")
        result.lost, result.doubled = len(found.lost), len(found.doubled)
        if self.keeps_results:
            result.write(RESULTS_FOLDER)
        print(result)  # noqa: T201 (pytest shows it with -s, and where a trial fails)
        found.check()

    def measure_recovery(self) -> float:
        """Publish an event, and return the seconds from the first attempt until the event is imported."""
        started = time.monotonic()
        body = self._probe_body()
        event_id = json.loads(body)["event_id"]
        wait_for(lambda: self._try_publish(body), RECOVERY_SECONDS_MAX, "the feed takes events again")
        wait_for(lambda: self._is_imported(event_id), RECOVERY_SECONDS_MAX, "events are imported again")
        return time.monotonic() - started

    def measure_ping_latency(self, queue: str, seconds_max: float) -> float:
        """Return the seconds until a worker of this queue answers a ping. A lost ping is sent again."""
        started = time.monotonic()
        reply_to = f"payments:canary:{uuid.uuid4()}"
        self._use_broker_of_stack()

        def answers() -> bool:
            try:
                health.ping.apply_async(kwargs={"reply_to": reply_to}, queue=queue, expires=60)
                return bool(self.stack.feed.blpop([reply_to], timeout=2))
            except (redis.RedisError, OperationalError):
                return False

        wait_for(answers, seconds_max, f"a worker takes work from {queue}")
        return time.monotonic() - started

    def _use_broker_of_stack(self) -> None:
        # A process has one Celery application, which uses the broker that was configured last.
        make_app(celery_settings(self.stack.engines))

    def _try_publish(self, body: bytes) -> bool:
        try:
            with open_feed(self.stack.engines.redis_url, self.durability) as feed:
                feed.publish(body)
        except FeedError:
            return False
        return True

    def _is_imported(self, event_id: str) -> bool:
        try:
            return invariants.has_event(self.stack.database, event_id)
        except Exception:  # noqa: BLE001 (PostgreSQL may not answer yet)
            return False

    def _probe_body(self) -> bytes:
        clinic_id, clinic = next((key, each) for key, each in self.oracle.clinics.items() if each.is_on)
        event = {
            "schema": 1,
            "type": "payment.deleted",
            "event_id": str(uuid.uuid4()),
            "company_id": clinic.company,
            "clinic_id": clinic_id,
            "patient_id": f"{clinic_id}-probe",
            "payment_id": f"probe-{uuid.uuid4()}",
            "line_id": "1",
            "version": 1,
            "saved_at": "2026-10-05T10:00:00-07:00",
        }
        self.oracle.record(event)
        return json.dumps(event).encode()


def longest_seconds(recoveries: list[float]) -> float:
    """Return the longest of the times `recoveries` in seconds, rounded to a tenth."""
    return round(max(recoveries), 1)
