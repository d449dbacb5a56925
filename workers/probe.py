"""Probe one component for a container's health check: `python -m workers.probe importer` exits with 0 or 1.

The checks are those of `payments health`. A worker must reply to a ping, because a running worker may be stalled.
"""

import os
import sys
from collections.abc import Sequence

from config.engines import NotRunningError, current_engines
from config.settings import SettingsError, read_settings
from tasks.health_check import ComponentStatus, check
from workers.runtime.config_errors import EXIT_MISCONFIGURED

# A worker may be importing a chunk of a backlog when the ping arrives.
PING_TIMEOUT_SECONDS = 15


def main(names: Sequence[str]) -> int:
    """Check the named components; return 0 if all of them work."""
    try:
        settings = read_settings(os.environ)
        statuses = check(current_engines(settings), settings, PING_TIMEOUT_SECONDS)
    except (SettingsError, NotRunningError) as error:
        sys.stderr.write(f"probe: {error}\n")
        return EXIT_MISCONFIGURED
    return report(names, statuses)


def report(names: Sequence[str], statuses: Sequence[ComponentStatus]) -> int:
    """Print a line for each named component that does not work, and return the exit status."""
    by_name = {status.name: status for status in statuses}
    # Without Redis the workers cannot be checked, and are not in the list.
    problems = [
        f"{name}: {by_name[name].detail if name in by_name else 'could not be checked'}"
        for name in names
        if name not in by_name or not by_name[name].is_up
    ]
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems or not names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
