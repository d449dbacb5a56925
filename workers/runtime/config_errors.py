"""Exit on a configuration error with one line and a status that tells supervisors not to restart the process."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from config.engines import NotRunningError
from config.settings import SettingsError

EXIT_MISCONFIGURED = 78
"""EX_CONFIG of sysexits.h: the configuration is wrong, so a restart would fail in the same way."""


@contextmanager
def exit_on_config_error(name: str) -> Iterator[None]:
    """Run the block of the process `name`. On SettingsError or NotRunningError, print one line and exit."""
    try:
        yield
    except (SettingsError, NotRunningError) as error:
        sys.stderr.write(f"{name}: {error}\n")
        raise SystemExit(EXIT_MISCONFIGURED) from None
