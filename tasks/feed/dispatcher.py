"""Dispatch new stream entries: request their import from an importer. At most one request is in flight.

The dispatcher forms no chunks. It only notices that there are new entries, and an importer reads all entries that are
new when its task starts. So a single event is imported immediately, and a backlog is imported in full chunks. The
dispatcher also sweeps: it lets importers retry entries that were lost or failed, enqueues tasks whose work is due in
PostgreSQL, and terminates the database sessions of stalled workers.

While the circuit breaker is open, the dispatcher requests nothing and probes. If the broker accepts no messages, for
example because Redis is full, the dispatcher imports the feed itself, so that the feed becomes shorter.
"""

import os
import threading
import uuid
from collections.abc import Callable
from typing import NamedTuple, get_args

import redis
import structlog
from kombu.exceptions import OperationalError

from config.celery import IMPORTS, KEY_PREFIX, celery_settings
from config.engines import Engines
from config.settings import Settings
from payments.contract.signature import NO_KEYS, Keyring
from payments.core.outage import OutageReason
from payments.store.db.connection import IDLE_IN_TRANSACTION_SECONDS_MAX, connect, is_reachable
from tasks import wire_names
from tasks.app import close_app, make_app
from tasks.enqueue import send
from tasks.feed import entry_retry, import_attempt, outage, replay
from tasks.feed.attempt_errors import outage_of
from tasks.feed.clocks import monotonic_ms
from tasks.feed.due_work import DueWorkSweep
from tasks.feed.heartbeat import send_heartbeat
from tasks.feed.leased_import import NOTHING_IMPORTED
from tasks.feed.outage import Outage
from tasks.feed.probe import Probe
from tasks.feed.redelivery import Redelivery
from tasks.feed.stalled_sessions import StalledSessions
from tasks.feed.stream import GroupState, wait_for_reply
from tasks.feed.streams import Streams
from tasks.feed.trimming import Trimming
from tasks.resources import Resources, WorkerName, application_name, connect_redis
from tasks.tracing_setup import open_tracing

log = structlog.get_logger()

BLOCK_MS = 1_000
REPLY_TIMEOUT_MS = 500
REQUEST_TIMEOUT_MS, QUEUED_REQUEST_TIMEOUT_MS = 1_000, 30_000
"""A request without a reply counts as lost after the first time or, if its queue has messages, after the second."""
SWEEP_MS = 1_000
CHECK_MS = 250
RECONNECT_SECONDS = 1
CAPACITY_POLL_MS = 100
REPLY_PREFIX = "payments:taken:"
WORKER_APPLICATION_NAMES = [*(application_name(worker) for worker in get_args(WorkerName)), replay.APPLICATION_NAME]


class ImportRequest(NamedTuple):
    """A request to import new entries: the Redis list for its reply, and the monotonic time at which it was sent."""

    reply_to: str
    sent_ms: int


class Dispatcher:
    """Dispatches the entries of one feed. `run` repeats `run_cycle` until the event `stopping` is set."""

    def __init__(
        self,
        settings: Settings,
        engines: Engines,
        keyring: Keyring = NO_KEYS,
        on_progress: Callable[[bool], None] = lambda _is_ready: None,
    ) -> None:
        """Connect to the engines. After each cycle, `run` calls `on_progress`, with True if the cycle reached Redis."""
        self.settings, self.on_progress = settings, on_progress
        self.feed = connect_redis(engines.redis_url)
        self.streams = Streams.from_settings(self.feed, settings)
        self.tracing = open_tracing(settings, "intake")
        self.broker = connect_redis(engines.broker_url)
        self.database = connect(
            engines.database_url,
            application_name="payments intake",
            idle_in_transaction_seconds=IDLE_IN_TRANSACTION_SECONDS_MAX,
            allow_seqscan=False,
        )
        self.resources = Resources(
            settings, self.database, self.feed, self.broker, f"intake-{os.getpid()}", keyring, self.tracing
        )
        self.probe = Probe(self.resources)
        make_app(celery_settings(engines))
        self.queue_key = f"{KEY_PREFIX}{IMPORTS}"
        self.stopping = threading.Event()
        self.in_flight_request: ImportRequest | None = None
        self.redelivery = Redelivery(self.streams, self.broker, settings.retry_ladder)
        self.stalled_sessions = StalledSessions(self.database, WORKER_APPLICATION_NAMES)
        self.due_work = DueWorkSweep(self.database, self.broker)
        self.trimming = Trimming(self.streams, settings.keep_entries)
        self.next_sweep_ms = self.next_check_ms = monotonic_ms()

    def run(self) -> None:
        """Run cycles until `stopping` is set.

        After an error of Redis or of the broker, import entries in this process. If there was nothing to import, wait 1
        s and continue.
        """
        self._recreate_groups()
        while not self.stopping.is_set():
            try:
                self.run_cycle()
                self.on_progress(True)  # noqa: FBT003 (the only argument of a callback)
            except (redis.RedisError, OperationalError) as error:
                log.warning("feed_unavailable", error_class=type(error).__name__, error=str(error))
                self.on_progress(False)  # noqa: FBT003 (as above)
                if not self.import_unrequested():
                    self.stopping.wait(RECONNECT_SECONDS)
                    self._recreate_groups()

    def run_cycle(self) -> None:
        """Do what is due: trim the streams, send a heartbeat, sweep the pending entries, and request an import.

        While the circuit breaker is open, only trim, send heartbeats and probe the outage. Raises RedisError and
        kombu's OperationalError.
        """
        self.trimming.trim_if_due()
        if monotonic_ms() >= self.next_check_ms and (found := self.find_outage()):
            self.wait_out(found)
            return
        if monotonic_ms() >= self.next_sweep_ms:
            self.sweep()
        if not self.awaiting_reply():
            self.request_import()

    def find_outage(self) -> Outage | None:
        """Send a heartbeat, and return the outage for which the circuit breaker is open, or None.

        If PostgreSQL does not answer, open the breaker. If there is no outage, the next check follows after CHECK_MS,
        because each check costs a query and a write that Redis syncs to disk.
        """
        send_heartbeat(self.feed)
        if not is_reachable(self.database):
            outage.report(self.feed, OutageReason.DATABASE_UNAVAILABLE)
        if found := outage.current(self.feed):
            return found
        self.next_check_ms = monotonic_ms() + CHECK_MS
        return None

    def wait_out(self, found: Outage) -> None:
        """Terminate stalled sessions. Then probe the outage if a probe is due, otherwise wait up to CHECK_MS."""
        self._terminate_stalled_sessions()
        if wait_ms := self.probe.wait_ms():
            self.stopping.wait(min(wait_ms, CHECK_MS) / 1_000)
        else:
            self.probe.probe(found)

    def import_unrequested(self) -> bool:
        """Import and retry entries in this process for a time slice. Return whether there were entries.

        If an outage prevents the import, log it and return False.
        """
        try:
            with outage.report_outages(self.feed):
                stats = import_attempt.import_unrequested(self.resources)
                stats += entry_retry.retry_entries(self.resources)[0]
        except Exception as error:
            if not outage_of(error):
                raise
            log.warning("unrequested_import_failed", error_class=type(error).__name__)
            return False
        if stats == NOTHING_IMPORTED:
            return False
        log.info("imported_without_messages", result=str(stats))
        return True

    def sweep(self) -> None:
        """Terminate stalled sessions, let importers retry due entries, and enqueue the tasks whose work is due."""
        self._terminate_stalled_sessions()
        self.redelivery.sweep()
        self.due_work.sweep()
        self.next_sweep_ms = monotonic_ms() + SWEEP_MS

    def _terminate_stalled_sessions(self) -> None:
        if terminated := self.stalled_sessions.terminate(monotonic_ms()):
            log.warning("stalled_sessions_terminated", sessions=terminated)

    def awaiting_reply(self) -> bool:
        """Wait up to REPLY_TIMEOUT_MS for the reply to the request in flight. Return whether it is still in flight.

        A request counts as lost, and no longer in flight, after REQUEST_TIMEOUT_MS or QUEUED_REQUEST_TIMEOUT_MS.
        """
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
            self.stopping.wait(
                CAPACITY_POLL_MS / 1_000
            )  # Redis has no command that blocks until entries are acknowledged
        elif names := self.streams.wait_for_new(states, BLOCK_MS):
            self._send_request(names)

    def _has_capacity(self, states: dict[str, GroupState]) -> bool:
        """Return whether so few entries are in progress that one more chunk may be delivered.

        Pending entries that wait for a retry do not count, so that failing payments never block new payments.
        """
        in_progress = sum(state.in_progress_count for state in states.values()) - self.redelivery.lost_count
        return in_progress + self.settings.chunk_events <= self.settings.pending_max

    def _send_request(self, names: list[str]) -> None:
        """Request the import of the new entries of these streams. The request has its own reply list."""
        request = self.in_flight_request = ImportRequest(f"{REPLY_PREFIX}{uuid.uuid4()}", monotonic_ms())
        streams = {} if self.settings.streams == 1 else {"streams": names}
        with self.tracing.request_span() as traceparent:
            trace = {"trace": traceparent} if traceparent else {}
            send(wire_names.IMPORT_EVENTS, reply_to=request.reply_to, **streams, **trace)

    def _recreate_groups(self) -> None:
        """Create the consumer groups that do not exist, at the first start and after the feed was emptied."""
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
