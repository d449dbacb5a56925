"""How a process says that it cannot start: in one line, and so that it is not started again before that is mended."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from config.engines import NotRunningError
from config.settings import SettingsError

EXIT_MISCONFIGURED = 78
"""EX_CONFIG of sysexits.h: a setting is wrong, so a restart would end the same way."""


@contextmanager
def in_one_line(name: str) -> Iterator[None]:
    """End the process where a setting is wrong or nothing runs, and say which; everything else passes."""
    try:
        yield
    except (SettingsError, NotRunningError) as error:
        sys.stderr.write(f"{name}: {error}\n")
        raise SystemExit(EXIT_MISCONFIGURED) from None
