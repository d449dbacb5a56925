"""`payments up` for fault tests: the same processes, but nothing to look at, and one that ends starts again at once.

The product waits longer after each ending. A test that kills 200 times would do little else than wait. With
`--deadly` the importer is the one of `tests.faults.deadly`; with `--clock FILE` the clock of each service is that of
`tests.faults.skewed`.
"""

import functools
import os
import sys
from dataclasses import replace

from config.settings import read_settings
from devstack import stack
from devstack.child_process import Child
from devstack.supervisor import Backoff, Supervisor

application = stack.application


def deadly(name: str, *rest: object) -> Child:
    """Return a service as `payments up` starts it, but for the importer."""
    child = application(name, *rest)
    return replace(child, command=(sys.executable, "-m", "tests.faults.deadly")) if name == "importer" else child


def skewed(path: str, name: str, *rest: object) -> Child:
    """Return a service as `payments up` starts it, under a clock that can be set."""
    child = application(name, *rest)
    return replace(child, command=(sys.executable, "-m", "tests.faults.skewed", path, child.command[-1]))


if __name__ == "__main__":
    stack.Supervisor = functools.partial(Supervisor, backoff=Backoff(first_seconds=0.2, most_seconds=0.5))
    stack.APPLICATIONS = tuple(name for name in stack.APPLICATIONS if name not in {"flower", "console"})
    match sys.argv[1:]:
        case ["--deadly"]:
            stack.application = deadly
        case ["--clock", file]:
            stack.application = functools.partial(skewed, file)
    sys.exit(stack.main(read_settings(os.environ)))
