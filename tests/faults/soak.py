"""Run a steady load with a fault every 20 seconds: `make soak`, or `python -m tests.faults.soak MINUTES`."""

import argparse
import json
import random
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.fault_injection import TRANSIENT_FAULTS, fault_shuffler
from tests.faults.running_stack import RunningStack
from tests.faults.trial import RESULTS_FOLDER, Trial

RATE, EVERY_SECONDS = 200, 20


def main() -> int:
    """Run the soak. Raises AssertionError if an invariant is violated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=30)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        Path(folder).chmod(0o755)
        stack = RunningStack(Path(folder) / "home")
        try:
            stack.start()
            trial = Trial(stack, keeps_results=False)
            trial.prepare()
            _run_soak(trial, minutes)
        finally:
            stack.stop()
    return 0


def _run_soak(trial: Trial, minutes: float) -> None:
    seconds, next_fault = minutes * 60, fault_shuffler(random.Random(7))
    before, recoveries, times = sum(trial.stack.memory().values()), [], 0
    with trial.run("soak", times=0, events=0, rate=RATE) as result:
        started = time.monotonic()
        while (time.monotonic() - started) < seconds:
            name, began = next_fault(), time.monotonic()
            TRANSIENT_FAULTS[name](trial.stack)
            times += 1
            recoveries.append(trial.measure_recovery())
            sys.stdout.write(f"{time.monotonic() - started:7.1f} s  {name}: back after {recoveries[-1]:.1f} s\n")
            sys.stdout.flush()
            time.sleep(max(0.0, EVERY_SECONDS - (time.monotonic() - began)))
        result.times, result.recovery_seconds = times, round(max(recoveries), 1)
    _write_result(asdict(result), minutes, f"{before:,.0f} MB, {sum(trial.stack.memory().values()):,.0f} MB")


def _write_result(result: dict[str, object], minutes: float, memory: str) -> None:
    RESULTS_FOLDER.mkdir(parents=True, exist_ok=True)
    content = result | {
        "minutes": f"{minutes:g}",
        "rate": RATE,
        "every": EVERY_SECONDS,
        "kinds": ", ".join(TRANSIENT_FAULTS),
        "memory": memory,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    (RESULTS_FOLDER / "soak.json").write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
