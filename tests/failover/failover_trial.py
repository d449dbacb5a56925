"""Run failover schedules: an EMR with an outbox publishes steadily while the servers fail one after the other."""

import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from config.database_urls import libpq_url
from devstack.engines import embedded_postgres
from emr.durability import Durability
from tests.failover.failover_faults import Systems, possible_faults, seeded_schedule
from tests.failover.moved_address import MovedAddress
from tests.failover.patroni_cluster import DATABASE, PatroniCluster
from tests.failover.pauses import longest_pauses
from tests.failover.plain_celery import BROKER_DATABASE, PlainCelery, PlainCeleryResult
from tests.faults.outbox import OutboxPublisher, emr_database
from tests.faults.processes import wait_for
from tests.faults.replicated_valkey import ReplicatedValkey
from tests.faults.running_stack import RunningStack
from tests.faults.trial import Trial
from tests.faults.workload import Pace, Publisher

EVENTS_PER_SECOND, QUIET_SECONDS, RECOVERY_SECONDS_MAX, CONNECT_SECONDS = 200, 5, 180, 3
REPLICA_DURABILITY = Durability(replicas=1)
"""An event counts as published when a replica of Valkey has it."""
SEVERAL_HOSTS, MOVED_ADDRESS = "several hosts", "moved address"


@dataclass(frozen=True)
class InjectedFault:
    """A fault of a schedule. `fault` is its name, and `began` is the time of its injection.

    `longest_seconds` is the longest time without an import between this fault and the next one.
    """

    fault: str
    began: datetime
    longest_seconds: float = math.nan


@dataclass(frozen=True)
class ScheduleResult:
    """The result of a schedule."""

    seed: int
    address: str
    events: int
    lost: int
    doubled: int
    faults: Sequence[InjectedFault]
    plain_celery: PlainCeleryResult | None

    def __str__(self) -> str:
        """Describe the result, with a line for each fault."""
        lines = [
            f"schedule {self.seed}, {self.address}: {self.events:,} events, {self.lost} lost, {self.doubled} doubled"
        ]
        lines += [f"  {each.fault}: longest time without an import {each.longest_seconds} s" for each in self.faults]
        if self.plain_celery is not None:
            lines.append(f"  plain Celery: {self.plain_celery}")
        return "\n".join(lines)

    def append_to(self, path: Path) -> None:
        """Append the result as a line of JSON, for docs/explanation/reliability.md."""
        content = {
            "seed": self.seed,
            "address": self.address,
            "events": self.events,
            "lost": self.lost,
            "doubled": self.doubled,
            "faults": [{"fault": each.fault, "longest_seconds": each.longest_seconds} for each in self.faults],
            "plain_celery": None if self.plain_celery is None else self.plain_celery.to_json(),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with path.open("a") as file:
            file.write(json.dumps(content) + "\n")


class FailoverTrial(Trial):
    """A trial in which the database fails over. Each query opens a connection, because an old one may never answer."""

    def _is_imported(self, event_id: str) -> bool:
        found = "SELECT 1 FROM events WHERE event_id = %s"
        try:
            with psycopg.connect(self._url(), connect_timeout=CONNECT_SECONDS) as connection:
                return connection.execute(found, [event_id]).fetchone() is not None
        except psycopg.OperationalError:
            return False

    def wait_until_imported(self) -> None:
        """Publish an event, and wait until it is imported."""
        body = self._probe_body()
        event_id = json.loads(body)["event_id"]
        wait_for(lambda: self._try_publish(body), RECOVERY_SECONDS_MAX, "the feed takes events again")
        wait_for(lambda: self._is_imported(event_id), RECOVERY_SECONDS_MAX, "payments are imported again")

    def with_pauses(self, injected: Sequence[InjectedFault], ended: datetime) -> list[InjectedFault]:
        """Return the faults with their pauses: the longest time without an import between a fault and the next one."""
        began = [each.began for each in injected]
        with psycopg.connect(self._url()) as connection:
            found = connection.execute(
                "SELECT DISTINCT at FROM history WHERE at BETWEEN %s AND %s AND what <> 'failed' ORDER BY at",
                [began[0], ended],
            )
            pauses = longest_pauses([at for (at,) in found], began, ended)
        return [replace(each, longest_seconds=pause) for each, pause in zip(injected, pauses, strict=True)]

    def _url(self) -> str:
        return libpq_url(self.stack.engines.database_url)


class ScheduleRunner:
    """Runs failover schedules, one after the other, on the same servers.

    The servers are the Patroni cluster, the replicated Valkey, the EMR's database, and a proxy for the primary. Each
    schedule starts a stack. `resources` closes the servers.
    """

    def __init__(self, folder: Path, resources: ExitStack) -> None:
        self._folder, self._started = folder, time.monotonic()
        self.cluster = resources.enter_context(PatroniCluster(folder / "cluster"))
        self._address = resources.enter_context(closing(MovedAddress(self._primary_address)))
        self.valkey = resources.enter_context(ReplicatedValkey(folder / "valkey", replicas=2))
        emr_home = folder / "emr"
        emr_home.mkdir()
        server = resources.enter_context(embedded_postgres(emr_home, durable=False))
        self._emr_url = resources.enter_context(emr_database(server))
        self._trial: FailoverTrial | None = None

    def run_schedule(self, seed: int, faults: int, *, compares: bool) -> ScheduleResult:
        """Start the stack, inject the faults of schedule `seed`, check all payments, and stop the stack.

        `faults` is the number of faults. If `compares`, plain Celery tasks run on the same servers. Raises
        AssertionError if a payment is lost, doubled or unexplained, or if the system does not recover.
        """
        address = SEVERAL_HOSTS if seed % 2 else MOVED_ADDRESS
        urls = {"DATABASE_URL": self._database_url(address), "REDIS_URL": self.valkey.url()}
        stack = RunningStack(self._folder / "home", **urls)
        try:
            stack.start()
            trial = self._prepared_trial(stack)
            trial.seed = seed
            return self._inject(trial, address, faults, compares=compares)
        finally:
            stack.stop()

    def _print_progress(self, what: str) -> None:
        sys.stdout.write(f"{time.monotonic() - self._started:7.1f} s  {what}\n")
        sys.stdout.flush()

    def _prepared_trial(self, stack: RunningStack) -> FailoverTrial:
        if self._trial is None:
            self._trial = FailoverTrial(stack, keeps_results=False)
            self._trial.durability = REPLICA_DURABILITY
            self._trial.prepare()
        self._trial.stack = stack
        return self._trial

    def _inject(self, trial: FailoverTrial, address: str, count: int, *, compares: bool) -> ScheduleResult:
        systems, possible = Systems(self.cluster, self.valkey), possible_faults(self.cluster)
        seed, injected = trial.seed, list[InjectedFault]()

        def publisher(bodies: Iterator[bytes]) -> Publisher:
            feed_url = trial.stack.engines.redis_url
            return OutboxPublisher(self._emr_url, feed_url, bodies, Pace.of(EVENTS_PER_SECOND, 0), REPLICA_DURABILITY)

        beside = self._plain_celery(address) if compares else nullcontext()
        with beside as celery, trial.run(f"failover schedule {seed}", times=count, make_publisher=publisher) as result:
            trial.wait_until_imported()
            for name in seeded_schedule(possible, seed, count):
                injected.append(InjectedFault(name, datetime.now(UTC)))
                self._print_progress(f"{name} ...")
                with possible[name](systems):
                    trial.wait_until_imported()
                self._print_progress("payments are imported again")
                self.cluster.wait_until_complete()
                self.valkey.wait_until_complete()
                self._print_progress("all nodes have joined")
                time.sleep(QUIET_SECONDS)  # steady load between two faults
            ended = datetime.now(UTC)
            plain_celery = celery.finish([each.began for each in injected], ended) if celery is not None else None
        found = trial.with_pauses(injected, ended)
        return ScheduleResult(seed, address, result.events, result.lost, result.doubled, found, plain_celery)

    def _plain_celery(self, address: str) -> PlainCelery:
        writable = f"{self._database_url(address)}?target_session_attrs=read-write"
        return PlainCelery(writable, self.valkey.url(BROKER_DATABASE))

    def _database_url(self, address: str) -> str:
        moved = f"postgresql://postgres@127.0.0.1:{self._address.port}/{DATABASE}"
        return self.cluster.url if address == SEVERAL_HOSTS else moved

    def _primary_address(self) -> tuple[str, int] | None:
        leader = self.cluster.leader()
        return (leader.address, leader.port) if leader else None
