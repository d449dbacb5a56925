"""Run a real Celery worker whose main thread blocks for 25 seconds on SIGUSR2.

Run `python -m tests.faults.blocking_worker importer SECONDS` instead of `python -m workers.importer`. If a message
stays unfinished for SECONDS, the heartbeat reports that the worker makes no progress. In production, this limit is some
minutes.
"""

import runpy
import signal
import sys
import time

from workers.runtime import worker_heartbeat

if __name__ == "__main__":
    worker_heartbeat.REQUEST_SECONDS_MAX = float(sys.argv[2])  # type: ignore[assignment]
    signal.signal(signal.SIGUSR2, lambda *_: time.sleep(25))
    runpy.run_module(f"workers.{sys.argv[1]}", run_name="__main__")
