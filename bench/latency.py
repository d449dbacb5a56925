"""Measure the latency of a payment, from its publishing to its acknowledgement.

Redis MONITOR reports the time and the entry ids of each acknowledgement, so no polling is needed. The acknowledgement
follows the commit, so the latency includes durability. The timestamp of a commit could not be used, because it is
earlier than the flush of the commit to disk.
"""

import re
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import NamedTuple

import redis

from bench import generated_events
from bench.contenders.with_celery import REPLIES
from bench.jobs import CONTENDERS
from bench.testbed import Testbed, WrongResultError, our_processes, running, wait_for
from tasks.resources import connect_redis

PUBLISHERS = 8
LATE_MAX_SECONDS = 0.25
_ENTRY_ID_PATTERN = re.compile(r"\b\d{13}-\d+\b")


class Latency(NamedTuple):
    """The latency at one rate. `rate` is in events per second, the percentiles are in milliseconds."""

    rate: int
    p50: float
    p95: float
    p99: float


def measure_product(testbed: Testbed, rate: int, seconds: int) -> Latency:
    """Start the services and publish single events at this rate.

    Measure each event's time until its acknowledgement.
    """
    testbed.start_round()
    with our_processes(testbed, 1):
        warm = testbed.publish(generated_events.events(200, prefix="warm"))
        testbed.wait_until_empty()
        latency = measure_running(testbed, rate, seconds)
    testbed.check_imported_once(warm + rate * seconds)
    return latency


def measure_running(testbed: Testbed, rate: int, seconds: int, prefix: str = "p") -> Latency:
    """Publish single events at this rate to running services. Measure each event's time until its acknowledgement."""
    latency = measure_events(testbed, list(generated_events.events(rate * seconds, prefix=prefix)), rate)
    testbed.wait_until_empty()
    return latency


def measure_events(testbed: Testbed, bodies: Sequence[bytes], rate: int) -> Latency:
    """Publish these events at this rate to running services. Measure each event's time until its acknowledgement."""
    published: dict[str, float] = {}
    with closing(_AcknowledgementRecorder(testbed)) as watcher:

        def publish(client: redis.Redis, number: int) -> None:
            begun = time.time()
            entry = client.xadd(testbed.settings.stream, {"event": bodies[number]})
            published[str(entry, "ascii") if isinstance(entry, bytes) else str(entry)] = begun

        _call_at_rate(testbed, publish, rate, len(bodies))
        wait_for(lambda: watcher.acknowledged.keys() >= published.keys(), "every acknowledgement to be seen")
    return _percentiles(rate, [watcher.acknowledged[entry] - begun for entry, begun in published.items()])


def measure_bare_celery(testbed: Testbed, rate: int, seconds: int) -> Latency:
    """Send tasks at this rate to a Celery worker whose tasks do nothing. Measure the time until each task replies."""
    testbed.start_round()
    contender = next(each for each in CONTENDERS if each.env.get("BENCH_SETTINGS") == "bare")
    with running(testbed, "celery", (str(contender.python), *contender.work), **contender.env):
        from celery import Celery  # noqa: PLC0415

        app = Celery("bench", broker=testbed.engines.broker_url, set_as_current=False)
        begun: dict[int, float] = {}
        answered: dict[int, float] = {}
        feed = connect_redis(testbed.engines.redis_url)

        def send(_: redis.Redis, number: int) -> None:
            begun[number] = time.time()
            app.send_task("bench.answer", (number,), ignore_result=True)

        def receive_answers(count: int) -> None:
            while len(answered) < count:
                answer = feed.blpop([REPLIES], timeout=10)
                if not answer:
                    raise WrongResultError(f"bare Celery: {count - len(answered)} tasks did not answer")
                answered[int(answer[1])] = time.time()

        send(feed, -1)
        receive_answers(1)
        listener = threading.Thread(target=receive_answers, args=(1 + rate * seconds,))
        listener.start()
        _call_at_rate(testbed, send, rate, rate * seconds)
        listener.join()
        feed.close()
    if answered.keys() != begun.keys():
        raise WrongResultError("bare Celery: a task was lost")
    return _percentiles(rate, [answered[number] - begun[number] for number in begun if number >= 0])


def median_run(runs: Sequence[Latency]) -> Latency:
    """Return the medians of p50, p95 and p99 over several runs at the same rate."""
    return Latency(runs[0].rate, *map(statistics.median, zip(*(run[1:] for run in runs), strict=True)))


class _AcknowledgementRecorder:
    """Records the time at which each entry of the stream is acknowledged."""

    def __init__(self, testbed: Testbed) -> None:
        self.acknowledged: dict[str, float] = {}
        self._url = testbed.engines.redis_url
        self._client = connect_redis(self._url)
        self._monitor = self._client.monitor().__enter__()  # type: ignore[no-untyped-call]
        self._stopping = False
        self._thread = threading.Thread(target=self._record_acknowledgements, daemon=True)
        self._thread.start()

    def _record_acknowledgements(self) -> None:
        try:
            for command in self._monitor.listen():
                if command["command"].upper().startswith("XACK"):
                    for entry in _ENTRY_ID_PATTERN.findall(command["command"]):
                        self.acknowledged.setdefault(entry, command["time"])
                if self._stopping:
                    return
        except (redis.RedisError, ValueError, OSError):
            if not self._stopping:
                raise

    def close(self) -> None:
        """Stop recording acknowledgements."""
        self._stopping = True
        with connect_redis(self._url) as client:
            client.ping()
        self._thread.join(5)
        self._client.close()


def _call_at_rate(testbed: Testbed, act: Callable[[redis.Redis, int], None], rate: int, count: int) -> None:
    """Call `act` from several threads, `rate` times per second and `count` times in total."""
    begun = time.perf_counter() + 0.1
    late: list[float] = []

    def work(first: int) -> None:
        with connect_redis(testbed.engines.redis_url) as client:
            for number in range(first, count, PUBLISHERS):
                ahead = begun + number / rate - time.perf_counter()
                if ahead > 0:
                    time.sleep(ahead)
                late.append(-ahead)
                act(client, number)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(PUBLISHERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if sorted(late)[int(len(late) * 0.95)] > LATE_MAX_SECONDS:
        raise WrongResultError(f"{rate} events a second could not be published from here")


def _percentiles(rate: int, seconds: list[float]) -> Latency:
    ordered = sorted(seconds)
    return Latency(rate, *(1_000 * ordered[int(len(ordered) * share)] for share in (0.50, 0.95, 0.99)))
