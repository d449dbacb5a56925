"""Dispatch new stream entries: ask an importer to import them, with one request in flight at a time.

The dispatcher forms no chunks. It reads at most one entry to notice new ones, and discards it. An importer reads all
entries that are new when its task starts. So a lone event is imported immediately, and a backlog is imported in full
chunks. The dispatcher's sweep redelivers entries that an importer lost and terminates the database sessions of stalled
workers.
"""

import threading
import uuid
from typing import NamedTuple, get_args

import redis
import structlog
from kombu.exceptions import OperationalError

from config.celery import IMPORTS, KEY_PREFIX, celery_settings
from config.engines import Engines
from config.settings import Settings
from payments.store.db.connection import connect, is_reachable
from tasks import wire_names
from tasks.app import close_app, make_app
from tasks.enqueue import send
from tasks.feed.clocks import monotonic_ms
from tasks.feed.heartbeat import send_heartbeat
from tasks.feed.redelivery import Redelivery
from tasks.feed.stalled_sessions import StalledSessions
from tasks.feed.stream import GroupState, wait_for_reply
from tasks.feed.streams import Streams
from tasks.resources import WorkerName, application_name, connect_redis
from tasks.tracing_setup import open_tracing

log = structlog.get_logger()

BLOCK_MS = 1_000
REPLY_TIMEOUT_MS = 500
REQUEST_TIMEOUT_MS, QUEUED_REQUEST_TIMEOUT_MS = 1_000, 30_000
"""When a request without a reply counts as lost: if the queue is empty, and if it may still wait behind others."""
SWEEP_MS = 1_000
DATABASE_CHECK_MS = 250
RECONNECT_SECONDS = 1
FULL_MS = 100
REPLY_PREFIX = "payments:taken:"
WORKER_APPLICATION_NAMES = [application_name(worker) for worker in get_args(WorkerName)]


class ImportRequest(NamedTuple):
    """A request to import new entries: the Redis list for its reply, and the monotonic time when it was sent."""

    reply_to: str
    sent_ms: int


class Dispatcher:
    """Dispatches one feed. `run` repeats `run_cycle` until the event `stopping` is set."""

    def __init__(self, settings: Settings, engines: Engines) -> None:
        self.settings = settings
        self.feed = connect_redis(engines.redis_url)
        self.streams = Streams(self.feed, settings.stream, settings.streams)
        self.tracing = open_tracing(settings, "intake")
        self.broker = connect_redis(engines.broker_url)
        self.database = connect(engines.database_url, application_name="payments intake", pool_size=1)
        make_app(celery_settings(engines))
        self.queue_key = f"{KEY_PREFIX}{IMPORTS}"
        self.stopping = threading.Event()
        self.in_flight_request: ImportRequest | None = None
        self.redelivery = Redelivery(self.streams, settings.retry_ladder, settings.chunk_events)
        self.stalled_sessions = StalledSessions(self.database, WORKER_APPLICATION_NAMES)
        self.next_sweep_ms = self.next_database_check_ms = monotonic_ms()

    def run(self) -> None:
        """Run cycles until `stopping` is set. On Redis or broker errors, wait 1 s and continue."""
        self._recreate_groups()
        while not self.stopping.is_set():
            try:
                self.run_cycle()
            except (redis.RedisError, OperationalError) as error:
                log.warning("feed_unavailable", error_class=type(error).__name__, error=str(error))
                self.stopping.wait(RECONNECT_SECONDS)
                self._recreate_groups()

    def run_cycle(self) -> None:
        """Send a heartbeat, sweep the pending entries and request an import. Each step is skipped until it is due.

        While PostgreSQL does not answer, nothing is delivered, because each delivery counts as an attempt.
        Raises RedisError and kombu's OperationalError.
        """
        if monotonic_ms() >= self.next_database_check_ms and not self.check_database():
            log.warning("intake_paused", reason="database_unavailable")
            self.stopping.wait(RECONNECT_SECONDS)
            return
        if monotonic_ms() >= self.next_sweep_ms:
            self.sweep()
        if not self.awaiting_reply():
            self.request_import()

    def check_database(self) -> bool:
        """Send a heartbeat and return whether PostgreSQL answers. An answer is valid for DATABASE_CHECK_MS.

        The check is not made in every cycle, because it costs a query and a write that Redis syncs to disk.
        """
        send_heartbeat(self.feed)
        if not is_reachable(self.database):
            return False
        self.next_database_check_ms = monotonic_ms() + DATABASE_CHECK_MS
        return True

    def sweep(self) -> None:
        """Terminate stalled sessions, then redeliver entries past their lease."""
        if terminated := self.stalled_sessions.terminate(monotonic_ms()):
            log.warning("stalled_sessions_terminated", sessions=terminated)
        self.redelivery.sweep()
        self.next_sweep_ms = monotonic_ms() + SWEEP_MS

    def awaiting_reply(self) -> bool:
        """Wait up to REPLY_TIMEOUT_MS for the reply to the request in flight. Return whether it is still in flight."""
        request = self.in_flight_request
        if request is None:
            return False
        if not wait_for_reply(self.feed, request.reply_to, REPLY_TIMEOUT_MS):
            is_queued = self.broker.llen(self.queue_key) > 0
            timeout_ms = QUEUED_REQUEST_TIMEOUT_MS if is_queued else REQUEST_TIMEOUT_MS
            if monotonic_ms() < request.sent_ms + timeout_ms:
                return True
        self.in_flight_request = None
        return False

    def request_import(self) -> None:
        """Wait up to BLOCK_MS for new entries and request their import, unless too many entries are pending."""
        states = self.streams.group_states()
        if not self._has_capacity(states):
            self.stopping.wait(FULL_MS / 1_000)  # Redis has no command that blocks until entries are acknowledged
        elif names := self.streams.wait_for_new(states, BLOCK_MS):
            self._send_request(names)

    def _has_capacity(self, states: dict[str, GroupState]) -> bool:
        """Return whether one more chunk may be delivered: whether few enough entries are pending.

        Pending entries that wait for redelivery do not count, so that failing payments never block new payments.
        """
        in_progress = sum(state.pending_count for state in states.values()) - self.redelivery.idle_count
        return in_progress + self.settings.chunk_events <= self.settings.pending_max

    def _send_request(self, names: list[str]) -> None:
        """Request the import of the new entries of these streams. The request has its own reply list."""
        request = self.in_flight_request = ImportRequest(f"{REPLY_PREFIX}{uuid.uuid4()}", monotonic_ms())
        streams = {} if self.settings.streams == 1 else {"streams": names}
        with self.tracing.request_span() as traceparent:
            trace = {"trace": traceparent} if traceparent else {}
            send(wire_names.IMPORT_EVENTS, reply_to=request.reply_to, **streams, **trace)

    def _recreate_groups(self) -> None:
        """Create the consumer groups that do not exist: at the first start, or after the feed was emptied."""
        try:
            self.streams.ensure_groups()
        except redis.RedisError as error:
            log.warning("feed_unavailable", error_class=type(error).__name__, error=str(error))

    def close(self) -> None:
        """Export the remaining spans and close the connections."""
        self.tracing.close()
        close_app()
        self.feed.close()
        self.broker.close()
        self.database.dispose()
