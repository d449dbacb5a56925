"""The two streams of a command as people see them: colours and widths on a terminal, plain text elsewhere."""

import os
import sys
from typing import TextIO

from rich.console import Console
from rich.text import Text

# Where nobody watches the width, a line is not cut short for it.
_WIDTH_WITHOUT_TERMINAL = 200


def stdout() -> Console:
    """Return a console on the standard output, for what was asked."""
    return _console(sys.stdout)


def stderr() -> Console:
    """Return a console on the standard error, for progress and for what goes wrong."""
    return _console(sys.stderr)


def print_line(sentence: str, style: str = "") -> None:
    """Write one sentence of an answer, as one line however long it is."""
    stdout().print(Text(printable(sentence), style), soft_wrap=True)


def print_error(sentence: str) -> None:
    """Write what went wrong to the standard error, as one line however long it is."""
    stderr().print(Text("payments: ", "bold red").append(printable(" ".join(sentence.split())), ""), soft_wrap=True)


def printable(text: str) -> str:
    """Replace what a terminal would obey rather than show: an EMR's text may hold anything."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def use_utf8() -> None:
    """Let both streams take every character, whatever the locale says."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _console(stream: TextIO) -> Console:
    width = None if stream.isatty() or "COLUMNS" in os.environ else _WIDTH_WITHOUT_TERMINAL
    return Console(file=stream, width=width, highlight=False, emoji=False, markup=False)
