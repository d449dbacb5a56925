"""Exit with a one-line error.

Supervisors do not restart a process that exits with the status of a configuration error.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from config.engines import NotRunningError, UnreachableEngineError
from config.settings import SettingsError

EXIT_MISCONFIGURED = 78
"""EX_CONFIG of sysexits.h: the configuration is wrong, so a restart would fail in the same way."""


@contextmanager
def exit_on_config_error(name: str) -> Iterator[None]:
    """Run the block. If it raises one of the errors below, print one line that begins with `name`, and exit.

    The exit status is 78 for SettingsError and NotRunningError. It is 1 for UnreachableEngineError, because a restart
    may succeed.
    """
    try:
        yield
    except UnreachableEngineError as error:
        sys.stderr.write(f"{name}: {error}\n")
        raise SystemExit(1) from None
    except (SettingsError, NotRunningError) as error:
        sys.stderr.write(f"{name}: {error}\n")
        raise SystemExit(EXIT_MISCONFIGURED) from None
