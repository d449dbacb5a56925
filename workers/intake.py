"""Watches the feed and asks the importer to import what is new on it.

It reads no bodies and decides no chunks: an importer takes what is new at the moment at which it begins, so a lone
event leaves at once and a backlog in full chunks. One request at a time lies unanswered. What was handed out and lost
on the way is found again here, by how long an entry has been lying untouched.
"""

import os
import signal
import sys
import threading
import time
import uuid
from contextlib import closing
from datetime import timedelta
from typing import NamedTuple, get_args

import redis
import structlog
from kombu.exceptions import OperationalError

from config.celery import IMPORTS, celery_settings
from config.engines import Engines, engines_in_force
from config.logging import configure_logging
from config.settings import Settings, read_settings
from payments.core.backoff import backoff_delay
from payments.store.db.connection import connect, is_answering
from tasks import importing
from tasks.app import make_app
from tasks.feed.stream import Idle, was_taken
from tasks.feed.streams import Streams
from tasks.health_check import HEARTBEAT_SECONDS, INTAKE_HEARTBEAT
from tasks.resources import Worker, application_name, connect_redis
from tasks.tracing import traces_of
from workers.runtime.clock_steps import ServerClock
from workers.runtime.config_errors import in_one_line
from workers.runtime.stalled_sessions import Silences

log = structlog.get_logger()

READ_WAIT_MS = 1_000
REPLY_WAIT_MS = 500
UNANSWERED_SECONDS, QUEUED_SECONDS = 1, 30
"""How long a request may be without its answer before it counts as lost: with an empty queue, and with one in which it
may still wait behind others."""
LEASE = timedelta(seconds=5)
"""How long an entry that was handed out is left in peace before anyone asks whether it was lost."""
ISOLATE_AFTER_DELIVERIES = 2
"""After this many tries an entry travels alone, for it may be what makes its chunk fail."""
SWEEP_SECONDS = 1
WORKERS = [application_name(worker) for worker in get_args(Worker)]
REPLY_PREFIX = "payments:taken:"
LOOK_SECONDS = 0.25
"""For so long PostgreSQL is taken to answer once it did."""


class Asked(NamedTuple):
    """A request to import what is new: where it is answered, and when it was made, on a steady clock."""

    reply_to: str
    at: float


class Intake:
    """One reader of the feed. `turn` does one round and is called until `stopping` is set."""

    def __init__(self, settings: Settings, engines: Engines) -> None:
        self.settings = settings
        self.feed = connect_redis(engines.redis_url)
        self.streams = Streams(self.feed, settings.stream, settings.streams)
        self.traces = traces_of(settings, "intake")
        self.broker = connect_redis(engines.broker_url)
        self.database = connect(engines.database_url, application_name="payments intake", pool_size=1)
        configuration = celery_settings(engines, settings)
        make_app(configuration)
        self.queue = f"{configuration['broker_transport_options']['global_keyprefix']}{IMPORTS}"  # type: ignore[index]
        self.stopping = threading.Event()
        self.asked: Asked | None = None
        self.idle, self.sweep_at = 0, time.monotonic()
        self.clock = ServerClock()
        self.silences = Silences(self.database, WORKERS)
        self.look_at = time.monotonic()

    def run(self) -> None:
        """Read until told to stop. Whatever fails, it goes on a second later."""
        self.streams.ensure_groups()
        while not self.stopping.is_set():
            try:
                self.turn()
            except (redis.RedisError, OperationalError) as error:
                log.warning("feed not readable", error_class=type(error).__name__, error=str(error))
                self.stopping.wait(1)
                self._recover()

    def turn(self) -> None:
        """Do one round: show a sign of life, send again what lies idle, ask for what is new to be imported."""
        if time.monotonic() >= self.look_at and not self.all_is_well():
            log.warning("held back", why="PostgreSQL does not answer")
            self.stopping.wait(1)
            return
        if time.monotonic() >= self.sweep_at:
            self.sweep()
        if self.asked and self._still_waits(self.asked):
            return
        self.asked = None
        positions = self.streams.positions()
        outstanding = sum(position.outstanding for position in positions.values())
        if outstanding - self.idle + self.settings.chunk_events > self.settings.pending_max:
            self.stopping.wait(0.1)  # there is nothing to wait on: what is pending does not tell when it gets less
        elif names := self.streams.with_new(positions, READ_WAIT_MS):
            self.ask(names)

    def ask(self, names: list[str]) -> None:
        """Ask an importer to import what is new, and to answer where nobody else and no earlier request is heard."""
        self.asked = Asked(f"{REPLY_PREFIX}{uuid.uuid4()}", time.monotonic())
        where = {} if self.settings.streams == 1 else {"streams": names}
        with self.traces.asking() as trace:
            importing.import_events.delay(reply_to=self.asked.reply_to, **where, **({"trace": trace} if trace else {}))

    def _still_waits(self, asked: Asked) -> bool:
        """Say whether a request has not been answered and may still be, after listening for a moment."""
        if was_taken(self.feed, asked.reply_to, REPLY_WAIT_MS):
            return False
        patience = QUEUED_SECONDS if self.broker.llen(self.queue) else UNANSWERED_SECONDS
        return time.monotonic() < asked.at + patience

    def all_is_well(self) -> bool:
        """Show a sign of life and say whether PostgreSQL answers; if it does, that holds for a moment.

        In every round it would be a question to PostgreSQL, and a write that Redis brings to the disk.
        """
        self.feed.set(INTAKE_HEARTBEAT, os.getpid(), ex=HEARTBEAT_SECONDS)
        if not is_answering(self.database):
            return False
        self.look_at = time.monotonic() + LOOK_SECONDS
        return True

    def sweep(self) -> None:
        """Look for what lies idle. It waits for its next try, and must not keep new payments out.

        A worker that fell silent, frozen or cut off, must not keep them out either: it may hold their locks.
        """
        if ended := self.silences.end(time.monotonic()):
            log.warning("silent worker cut off", connections=ended)
        if self.clock.was_set_back(self.streams.clock_ms(), time.monotonic_ns() // 1_000_000):
            self.count_anew()
        idle = self.streams.idle(_ms(LEASE))
        self.idle, self.sweep_at = len(idle), time.monotonic() + SWEEP_SECONDS
        self.send_again(idle)

    def count_anew(self) -> None:
        """Let what is handed out lie idle from now on: by a clock that was set back it would not for a long time."""
        handed_out = [entry.entry_id for entry in self.streams.idle(0)]
        log.warning("clock set back", whose="Redis", entries=len(handed_out))
        if handed_out:
            self.streams.touch(handed_out, 0)

    def send_again(self, idle: list[Idle]) -> None:
        """Hand out once more what has been lying for its time, and give up what has used up its tries."""
        due: dict[timedelta, list[Idle]] = {}
        spent: list[Idle] = []
        for entry in idle:
            wait = self._wait(entry)
            if wait is None:
                spent.append(entry)
            elif entry.idle_ms >= _ms(wait):
                due.setdefault(wait, []).append(entry)
        again = [entry for entries in due.values() for entry in self._won(entries)]
        together = [entry.entry_id for entry in again if entry.deliveries < ISOLATE_AFTER_DELIVERIES]
        for first in range(0, len(together), self.settings.chunk_events):
            importing.import_events.delay(entry_ids=together[first : first + self.settings.chunk_events])
        for entry in again:
            if entry.deliveries >= ISOLATE_AFTER_DELIVERIES:
                importing.import_events.delay(entry_ids=[entry.entry_id])
        if again:
            log.info("sent again", entries=len(again))
        if spent := self._won(spent):
            importing.give_up.delay(entry_ids=[entry.entry_id for entry in spent])
            log.warning("given up", entries=len(spent))

    def _wait(self, entry: Idle) -> timedelta | None:
        """Return how long an entry lies before it is sent again: longer with every try that was made, then never."""
        step = backoff_delay(self.settings.retry_ladder, entry.deliveries, entry.entry_id)
        return LEASE + step if step is not None else None

    def _won(self, entries: list[Idle]) -> list[Idle]:
        """Return those that no other intake took in the meantime."""
        if not entries:
            return []
        won = set(self.streams.touch([entry.entry_id for entry in entries], _ms(LEASE)))
        return [entry for entry in entries if entry.entry_id in won]

    def _recover(self) -> None:
        """Make the group anew where the feed was emptied under our feet."""
        try:
            self.streams.ensure_groups()
        except redis.RedisError as error:
            log.warning("feed not reachable", error_class=type(error).__name__)

    def close(self) -> None:
        """Let go of the connections."""
        self.traces.close()
        self.feed.close()
        self.broker.close()
        self.database.dispose()


def _ms(length: timedelta) -> int:
    return length // timedelta(milliseconds=1)


def main() -> int:
    """Run an intake until SIGTERM or SIGINT."""
    settings = read_settings(os.environ)
    configure_logging(settings, "intake")
    with closing(Intake(settings, engines_in_force(settings))) as intake:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: intake.stopping.set())
        log.info("intake started", stream=settings.stream, streams=settings.streams)
        intake.run()
    log.info("intake stopped")
    return 0


if __name__ == "__main__":
    with in_one_line("intake"):
        sys.exit(main())
