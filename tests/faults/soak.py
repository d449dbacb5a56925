"""A long run under steady load with a fault every 20 seconds: `make soak`, or `python -m tests.faults.soak MINUTES`."""

import argparse
import json
import random
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.injuries import PASSING, in_turn
from tests.faults.plant import Plant
from tests.faults.processes import children_of, megabytes_of
from tests.faults.scene import RESULTS, Scene

RATE, EVERY_SECONDS = 200, 20


def main() -> int:
    """Run the soak; a fact that does not hold ends it with an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=30)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        Path(folder).chmod(0o755)
        plant = Plant(Path(folder) / "home")
        try:
            plant.start()
            scene = Scene(plant, keeps_results=False)
            scene.open()
            _soak(scene, minutes)
        finally:
            plant.stop()
    return 0


def _soak(scene: Scene, minutes: float) -> None:
    seconds, next_injury = minutes * 60, in_turn(random.Random(7))
    before, recoveries, times = _memory(scene.plant), [], 0
    with scene.trial("soak", times=0, events=0, rate=RATE) as result:
        started = time.monotonic()
        while (time.monotonic() - started) < seconds:
            name, began = next_injury(), time.monotonic()
            PASSING[name](scene.plant)
            times += 1
            recoveries.append(scene.recovery())
            sys.stdout.write(f"{time.monotonic() - started:7.1f} s  {name}: back after {recoveries[-1]:.1f} s\n")
            sys.stdout.flush()
            time.sleep(max(0.0, EVERY_SECONDS - (time.monotonic() - began)))
        result.times, result.recovery_seconds = times, round(max(recoveries), 1)
    _write(asdict(result), minutes, f"{before:,} MB, {_memory(scene.plant):,} MB")


def _write(result: dict[str, object], minutes: float, memory: str) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    content = result | {
        "minutes": f"{minutes:g}",
        "rate": RATE,
        "every": EVERY_SECONDS,
        "kinds": ", ".join(PASSING),
        "memory": memory,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    (RESULTS / "soak.json").write_text(json.dumps(content, indent=2) + "\n")


def _memory(plant: Plant) -> int:
    """Return what all processes of ours hold, without the engines."""
    leaders = [pid for name in ("intake", "importer", "backoffice", "scheduler") for pid in plant.leaders(name)]
    return sum(megabytes_of(pid) for leader in leaders for pid in (leader, *children_of(leader)))


if __name__ == "__main__":
    sys.exit(main())
