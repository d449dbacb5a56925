"""Run every measurement, print a table with the targets, and write `results.json` and the charts of `docs/`."""

import argparse
import json
import logging
import os
import platform
import statistics
import sys
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console
from rich.table import Table

from bench import backlog, charts, distribution, growth, importing, jobs, latency, pages, targets
from bench.importing import ImportMeasurement
from bench.testbed import ROOT, Testbed, WrongResultError, start_testbed
from devstack.embedded_postgres import SHARED_BUFFERS_DEFAULT

RESULTS = Path(__file__).with_name("results.json")
PARTS = ("import", "latency", "backlog", "growth", "pages", "distribution")
CHARTS = ROOT / "docs" / "charts"
console = Console(width=120)


def main() -> int:
    """Run the measurements and write the results. Return 1 if a target is missed, otherwise 0."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    asked = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    asked.add_argument("--large", action="store_true", help="a ledger of 10 million payments as well")
    asked.add_argument("--events", type=int, default=20_000, help="how many events an import takes")
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--only", choices=PARTS, help="measure this alone; all else stays as results.json has it")
    asked.add_argument(
        "--shared-buffers", default=SHARED_BUFFERS_DEFAULT, help=f"the memory of PostgreSQL ({SHARED_BUFFERS_DEFAULT})"
    )
    options = asked.parse_args()
    results = json.loads(RESULTS.read_text()) if options.only else {}
    results |= _machine_description()
    with start_testbed(shared_buffers=options.shared_buffers) as testbed:
        for part in [options.only] if options.only else PARTS:
            results |= _measure_part(part, testbed, options, results)
            console.print(f"{part} is done")
    RESULTS.write_text(json.dumps(_rounded(results), indent=2) + "\n")
    _draw_charts(results)
    return _print_results(results)


def _measure_part(part: str, testbed: Testbed, options: argparse.Namespace, earlier: dict[str, Any]) -> dict[str, Any]:
    """Run one part of the benchmark. Return its results and the `earlier` results that they do not replace."""
    match part:
        case "import":
            return _measure_rates(testbed, options.events, options.rounds)
        case "latency":
            return {part: _measure_latency(testbed, options.rounds)}
        case "backlog":
            return {part: [{"events": each, "memory": backlog.measure(testbed, each)} for each in backlog.SIZES]}
        case "growth":
            sizes = (10_000, 1_000_000, *((10_000_000,) if options.large else ()))
            found = [each._asdict() for each in growth.measure(testbed, sizes)]
            # Replace earlier results measured with the same memory; keep those with more or less memory.
            others = [each for each in earlier.get(part, []) if each["shared_buffers"] != found[0]["shared_buffers"]]
            return {part: sorted(found + others, key=lambda each: each["shared_buffers"] != SHARED_BUFFERS_DEFAULT)}
        case "pages":
            return {part: {name: each._asdict() for name, each in pages.measure(testbed, pages.PAYMENTS).items()}}
        case _:
            return {part: distribution.to_json_rows(distribution.measure())}


def _machine_description() -> dict[str, Any]:
    return {"machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"}


def _measure_rates(testbed: Testbed, events: int, rounds: int) -> dict[str, Any]:
    """Measure every contender once per round. Return the median rates by contender."""
    rates: dict[str, list[float]] = {}
    used: dict[str, list[ImportMeasurement]] = {}
    installed = [each for each in jobs.CONTENDERS if each.is_installed]
    for each in jobs.CONTENDERS:
        if each not in installed:
            console.print(f"{each.name} is left out: it is not installed (`make bench-contenders`).")
    for number in range(rounds):
        for name, run in _import_runs(testbed, events):
            done = run()
            used.setdefault(name, []).append(done)
            rates.setdefault(name, []).append(done.rate)
        for contender in installed:
            _run_contender(testbed, contender, rates)
        rates.setdefault(targets.ONE_TASK_A_PAYMENT, []).append(jobs.measure_one_task_per_payment(testbed))
        console.print(f"round {number + 1} of {rounds} is done")
    cost = {name: _median_cost(runs) for name, runs in used.items()}
    return {
        "import": {name: statistics.median(each) for name, each in rates.items() if each},
        "rounds": rates,
        "cost": cost,
    }


def _run_contender(testbed: Testbed, contender: jobs.Contender, rates: dict[str, list[float]]) -> None:
    """Run one round of another job queue, and add its rate to `rates`. If jobs are lost, print a message instead."""
    try:
        rates.setdefault(contender.name, []).append(jobs.run(testbed, contender))
    except WrongResultError as error:
        console.print(f"{contender.name}: this round does not count: {error}", markup=False)


def _import_runs(testbed: Testbed, events: int) -> list[tuple[str, importing.Run]]:
    return [
        (targets.OURS_ONE, lambda: importing.measure_product(testbed, events, 1)),
        (targets.OURS_TWO, lambda: importing.measure_product(testbed, events, 2)),
        (targets.LOWER_BOUNDS[0], lambda: importing.measure_lower_bound(testbed, events, 1, 2_000)),
        (targets.LOWER_BOUNDS[1], lambda: importing.measure_lower_bound(testbed, events, 2, 2_000)),
    ]


def _median_cost(runs: list[ImportMeasurement]) -> dict[str, float]:
    cpu = {
        f"CPU microseconds, {name}": statistics.median(1e6 * run.cpu_seconds[name] / run.events for run in runs)
        for name in runs[0].cpu_seconds
    }
    # Redis rewrites the append-only file when it has doubled. A run with a rewrite does not show the file's growth.
    written = [run.append_only_bytes / run.events for run in runs if run.append_only_bytes > 0] or [0]
    logs = {
        "bytes, write-ahead log": statistics.median(run.wal_bytes / run.events for run in runs),
        "bytes, append-only file": statistics.median(written),
    }
    return cpu | logs


def _measure_latency(testbed: Testbed, rounds: int) -> dict[str, dict[str, float]]:
    """Measure the latency at each rate once per round. Return the medians by rate."""
    runs: dict[str, list[latency.Latency]] = {}
    for _ in range(rounds):
        for rate, seconds in ((50, 8), (200, 8), (1_000, 5)):
            runs.setdefault(f"ours, {rate}/s", []).append(latency.measure_product(testbed, rate, seconds))
        runs.setdefault("bare Celery, 50/s", []).append(latency.measure_bare_celery(testbed, 50, 8))
    return {name: latency.median_run(each)._asdict() for name, each in runs.items()}


def _draw_charts(results: dict[str, Any]) -> None:
    by_rate = sorted(results["import"].items(), key=lambda item: -item[1])
    cost = results["cost"][targets.OURS_TWO].items()
    pictures = {
        "import": (
            "Import: events, or empty jobs, a second",
            [(name, rate, name.startswith("ours")) for name, rate in by_rate],
        ),
        "latency": (
            "From publishing to the commit: p99 in milliseconds",
            [(name, each["p99"], name.startswith("ours")) for name, each in results["latency"].items()],
        ),
        "cost": (
            "Where the time of an event goes: CPU microseconds",
            [(name.partition(", ")[2], value, True) for name, value in cost if name.startswith("CPU")],
        ),
        "growth": (
            "Import into a ledger that holds so many payments, with so much memory: events a second",
            [(f"{each['stored']:,}, {each['shared_buffers']}", each["rate"], True) for each in results["growth"]],
        ),
    }
    for name, (title, bars) in pictures.items():
        charts.draw(CHARTS / f"{name}.svg", title, bars)


def _print_results(results: dict[str, Any]) -> int:
    best = max(results["import"][targets.OURS_ONE], results["import"][targets.OURS_TWO])
    rates = Table(title="Import: events, or jobs that do nothing, a second", title_justify="left")
    for heading in ("", "a second", "ours / it"):
        rates.add_column(heading, justify="left" if not heading else "right")
    for name, rate in sorted(results["import"].items(), key=lambda item: -item[1]):
        rates.add_row(name, f"{rate:,.0f}", f"{best / rate:.2f}")
    held = Table(title="Targets", title_justify="left")
    for heading in ("Target", "Found", "Wanted", ""):
        held.add_column(heading)
    found = targets.evaluate(results)
    for target in found:
        wanted = f"{'at least' if target.at_least else 'at most'} {target.limit}"
        held.add_row(target.name, f"{target.found:.2f}", wanted, "met" if target.is_met else "MISSED")
    console.print(rates, held)
    console.print(f"Figures in {RESULTS.relative_to(ROOT)}, charts in {CHARTS.relative_to(ROOT)}/.")
    return int(not all(target.is_met for target in found))


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return round(value, 2)
        case dict():
            return {name: _rounded(each) for name, each in value.items()}
        case list() | tuple():
            return [_rounded(each) for each in value]
    return value


if __name__ == "__main__":
    sys.exit(main())
