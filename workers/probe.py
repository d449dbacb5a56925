"""Probe the process of this container for its health check: `python -m workers.probe importer` exits with 0 or 1.

The probe reads the heartbeat file of the process, and asks no server. So another replica cannot answer for this
process, and neither a backlog nor an outage of Redis or PostgreSQL makes the probe fail. `payments health` checks the
installation as a whole.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from config.home import read_home
from workers.runtime.heartbeat_file import Heartbeat, read_heartbeats

SERVICES = ("intake", "importer", "retrier", "backoffice", "scheduler")
MAX_AGE_SECONDS = 90.0
"""The default age in seconds at which the last progress of a process is too old.

A healthy process makes progress more often, although it waits up to 15 seconds for a server that does not answer.
"""


def main(arguments: Sequence[str]) -> int:
    """Probe the named services. Write a line to stderr for each problem.

    Returns 0 if each service has a process in this container and all processes make progress, otherwise 1.
    """
    parser = argparse.ArgumentParser(prog="python -m workers.probe", description=__doc__)
    parser.add_argument("services", nargs="+", choices=SERVICES)
    parser.add_argument("--ready", action="store_true", help="fail also while the process is not connected to Redis")
    parser.add_argument(
        "--max-age", type=float, default=MAX_AGE_SECONDS, metavar="SECONDS", help="age of the last progress"
    )
    options = parser.parse_args(arguments)
    home = read_home(os.environ)
    problems = [problem for service in options.services for problem in find_problems(home, service, options)]
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


def find_problems(home: Path, service: str, options: argparse.Namespace) -> list[str]:
    """Return a sentence for each failing process of the service, or a sentence that says that there is no process.

    `options` holds the parsed arguments of the command.
    """
    heartbeats = read_heartbeats(home, service)
    if not heartbeats:
        return [f"{service}: no process has a heartbeat file in {home / 'run'}"]
    found = [(each, _problem_of(each, options.max_age, must_be_ready=options.ready)) for each in heartbeats]
    return [f"{service}: process {each.pid} {problem}" for each, problem in found if problem]


def _problem_of(heartbeat: Heartbeat, max_age_seconds: float, *, must_be_ready: bool) -> str:
    """Return the problem of a process, such as "is not connected to Redis", or an empty text."""
    age_seconds = time.monotonic() - heartbeat.progress_seconds
    # After a restart of the machine the monotonic clock begins again.
    if not 0 <= age_seconds <= max_age_seconds:
        return f"has made no progress for {age_seconds:.0f} s"
    return "is not connected to Redis" if must_be_ready and not heartbeat.is_ready else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
