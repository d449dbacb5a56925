"""Write the section Failover of docs/explanation/reliability.md from the results in tests/failover/results.jsonl."""

import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.faults.report import FAILOVER_BEGIN, FAILOVER_END, PAGE_FILE

RESULTS_FILE = Path(__file__).parent / "results.jsonl"
_SECTION_TEXT = """## Failover

`make test-failover` writes this section. A PostgreSQL primary with two standbys runs under Patroni and etcd
(`synchronous_mode`), and a Valkey primary with two replicas under three Sentinels. Each node of PostgreSQL is in a
network namespace and has a disk of its own. An EMR publishes {rate} events a second through its outbox; an event counts
as published when a replica of Valkey has it (`WAIT`).

A schedule is a seeded series of faults. Each fault lasts until payments are imported again, and the next one begins
when all nodes have joined. The test does what an administrator would do: it connects a partitioned node after the
import has resumed, and frees a full disk after 45 s, because Patroni does not replace such a primary. Nodes are
restarted as systemd and a watchdog do it. Every second schedule reaches PostgreSQL by an address that moves and keeps
old connections; the others name all nodes in `DATABASE_URL`. After each schedule everything is compared, as above.
Beside it, on the same servers, runs the usual alternative: one Celery task per payment, {celery_rate} a second, with
late acknowledgement, rejection on a lost worker, retries without end, and a worker that is restarted whenever it ends.

{schedules} schedules with {faults} faults and {events} events: lost {lost}, duplicated {doubled}, unexplained 0.00.
The closed months are unchanged. Longest time without an import after a fault: {median} s in the median, {most} s at
most. Patroni replaces a primary that has vanished or hangs after {ttl} s, its shortest setting. Plain Celery, in
{celery_schedules} of these schedules with {celery_tasks} tasks: lost {celery_lost}, duplicated {celery_doubled}.

| fault | times | longest time without an import, median | maximum | plain Celery, median | maximum |
|---|---:|---:|---:|---:|---:|
{rows}
Measured {first} to {last}.
"""


def section_text(results: Sequence[dict[str, Any]], *, rate: int, ttl: int, celery_rate: int) -> str:
    """Return the text of the section. No schedule in `results` violated an invariant, because a violation ends the run.

    `rate` is in events per second, `celery_rate` in tasks per second. `ttl` is Patroni's TTL in seconds.
    """
    seconds: dict[str, list[float]] = defaultdict(list)
    celery_seconds: dict[str, list[float]] = defaultdict(list)
    celery = [result["plain_celery"] for result in results if result["plain_celery"]]
    for result in results:
        for fault in result["faults"]:
            seconds[fault["fault"]].append(fault["longest_seconds"])
        for fault, pause in zip(result["faults"], (result["plain_celery"] or {}).get("pauses", ()), strict=False):
            celery_seconds[fault["fault"]].append(pause)
    every = [each for found in seconds.values() for each in found]
    dates = sorted(result["at"][:10] for result in results)
    rows = [
        f"| {fault} | {len(found)} | {_median_and_max(found)} | {_median_and_max(celery_seconds[fault])} |\n"
        for fault, found in sorted(seconds.items())
    ]
    return _SECTION_TEXT.format(
        rate=rate,
        ttl=ttl,
        celery_rate=celery_rate,
        schedules=len(results),
        faults=len(every),
        events=f"{sum(result['events'] for result in results):,}",
        lost=sum(result["lost"] for result in results),
        doubled=sum(result["doubled"] for result in results),
        median=f"{statistics.median(every):.1f}",
        most=f"{max(every):.1f}",
        celery_schedules=len(celery),
        celery_tasks=f"{sum(each['published'] for each in celery):,}",
        celery_lost=f"{sum(each['lost'] for each in celery):,}",
        celery_doubled=f"{sum(each['doubled'] for each in celery):,}",
        rows="".join(rows),
        first=dates[0],
        last=dates[-1],
    )


def _median_and_max(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.1f} s | {max(seconds):.1f} s" if seconds else "|"


def read_results() -> list[dict[str, Any]]:
    """Return the latest result of each schedule."""
    lines = RESULTS_FILE.read_text().splitlines() if RESULTS_FILE.exists() else []
    by_seed = {result["seed"]: result for result in map(json.loads, lines)}
    return list(by_seed.values())


def replace_section(page: str, text: str) -> str:
    """Return `page` with `text` between the markers of the section. If there are no markers, add them at the end."""
    before, _, rest = page.partition(FAILOVER_BEGIN)
    return f"{before.rstrip()}\n\n{FAILOVER_BEGIN}\n{text}{FAILOVER_END}\n{rest.partition(FAILOVER_END)[2].lstrip()}"


def main() -> int:
    """Write the section from the results of the runs. If there are no results, change nothing."""
    from tests.failover.failover_trial import EVENTS_PER_SECOND  # noqa: PLC0415 (the tests of this module need no servers)
    from tests.failover.patroni_node import TTL_SECONDS  # noqa: PLC0415 (as above)
    from tests.failover.plain_celery import TASKS_PER_SECOND  # noqa: PLC0415 (as above)

    results = read_results()
    if not results:
        sys.stderr.write(f"no results in {RESULTS_FILE}: run `make test-failover` first\n")
        return 1
    PAGE_FILE.write_text(
        replace_section(
            PAGE_FILE.read_text(),
            section_text(results, rate=EVENTS_PER_SECOND, ttl=TTL_SECONDS, celery_rate=TASKS_PER_SECOND),
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
