"""Spool the output of a command.

So the query of a report ends even if the reader of the output, such as `less`, is slow.
"""

import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

from console.reports.spool import Spool


class _SpoolWriter(io.RawIOBase):
    """The raw stream that replaces the standard output while it is spooled."""

    def __init__(self, spool: Spool, real: TextIO) -> None:
        self._spool, self._real, self.is_over = spool, real, False

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._real.isatty()

    def write(self, data: Any) -> int:
        if not self.is_over:
            self._spool.write(bytes(data))
        return len(data)


@contextmanager
def spooled_stdout() -> Iterator[None]:
    """Spool what the block prints. A thread prints it, so the block ends even if the reader pauses.

    Raises BrokenPipeError, in the block or after it, if the reader has closed the pipe.
    """
    spool, real = Spool(), sys.stdout
    raw, failures = _SpoolWriter(spool, real), list[OSError]()
    printer = threading.Thread(target=_print_spool, args=(spool, real, failures), daemon=True, name="printer")
    printer.start()
    text = io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace")
    try:
        with redirect_stdout(text):
            try:
                yield
            except (BrokenPipeError, KeyboardInterrupt):
                raw.is_over = True
                raise
            finally:
                text.flush()
    finally:
        spool.complete()
        if not raw.is_over:
            printer.join()
        raw.is_over = True
    if failures:
        raise failures[0]


def _print_spool(spool: Spool, real: TextIO, failures: list[OSError]) -> None:
    real.flush()
    try:
        for chunk in spool.chunks():
            real.buffer.write(chunk)
            real.buffer.flush()
    except OSError as error:
        failures.append(error)
        spool.abandon()
