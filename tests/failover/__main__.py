"""Run failover schedules: `python -m tests.failover SCHEDULES SEED`. A violated invariant ends the run.

With `--keep`, the results are appended to those of earlier runs in tests/failover/results.jsonl.
"""

import argparse
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.engines import MEMORY, MEMORY_BYTES_MIN
from tests.failover.failover_trial import ScheduleRunner
from tests.failover.report import RESULTS_FILE

FAULTS_PER_SCHEDULE = 3
"""The number of faults in a schedule."""


def main() -> int:
    """Run schedules SEED, SEED + 1 and so on, on the same servers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("schedules", type=int, nargs="?", default=1)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    parser.add_argument("--faults", type=int, default=FAULTS_PER_SCHEDULE, help="faults of a schedule")
    parser.add_argument("--compare", action="store_true", help="run plain Celery tasks beside it")
    parser.add_argument("--keep", action="store_true", help=f"append the results to {RESULTS_FILE.name}")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # then the servers are stopped
    is_roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES_MIN
    place = {"prefix": "failover-", "dir": MEMORY if is_roomy else None}
    with tempfile.TemporaryDirectory(**place, ignore_cleanup_errors=True) as folder, ExitStack() as resources:
        Path(folder).chmod(0o755)
        (Path(folder) / "cluster").mkdir()
        runner = ScheduleRunner(Path(folder), resources)
        for seed in range(arguments.seed, arguments.seed + arguments.schedules):
            outcome = runner.run_schedule(seed, arguments.faults, compares=arguments.compare)
            if arguments.keep:
                outcome.append_to(RESULTS_FILE)
            sys.stdout.write(f"{outcome}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
