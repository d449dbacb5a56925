"""Run `payments up` for fault tests: without console and Flower, and without restart delays.

In production the restart delay doubles after each exit, so a test with 200 kills would take too long.

- `--fatal-tasks`: each service that reads events is started through `tests.faults.fatal_tasks`.
- `--clock FILE`: each service uses the clock of `tests.faults.skewed_clock`.
"""

import functools
import os
import sys
from dataclasses import replace

from config.settings import read_settings
from devstack import stack
from devstack.child_process import Child
from devstack.supervisor import RestartBackoff, Supervisor

service = stack.service


def service_with_fatal_reader(name: str, *rest: object) -> Child:
    """Return a service as `payments up` starts it. A service that reads events crashes on FATAL_TEXT."""
    child = service(name, *rest)
    is_reader = name in {"importer", "retrier", "intake"}
    return replace(child, command=(sys.executable, "-m", "tests.faults.fatal_tasks", name)) if is_reader else child


def service_with_skewed_clock(path: str, name: str, *rest: object) -> Child:
    """Return a service as `payments up` starts it, but with an adjustable clock."""
    child = service(name, *rest)
    return replace(child, command=(sys.executable, "-m", "tests.faults.skewed_clock", path, child.command[-1]))


if __name__ == "__main__":
    stack.Supervisor = functools.partial(  # type: ignore[attr-defined]
        Supervisor, backoff=RestartBackoff(initial_seconds=0.2, max_seconds=0.5)
    )
    stack.SERVICES = tuple(name for name in stack.SERVICES if name not in {"flower", "console"})
    match sys.argv[1:]:
        case ["--fatal-tasks"]:
            stack.service = service_with_fatal_reader
        case ["--clock", file]:
            stack.service = functools.partial(service_with_skewed_clock, file)
    sys.exit(stack.main(read_settings(os.environ)))
