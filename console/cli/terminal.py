"""The output streams of a command. On a terminal they have colours and fit its width; otherwise they are plain text."""

import os
import sys
from typing import TextIO

from rich.console import Console
from rich.text import Text

# Lines that go to a file or a pipe may be this wide.
_WIDTH_WITHOUT_TERMINAL = 200


def stdout() -> Console:
    """Return a console on the standard output, for results."""
    return _console(sys.stdout)


def stderr() -> Console:
    """Return a console on the standard error, for progress and errors."""
    return _console(sys.stderr)


def print_line(sentence: str, style: str = "") -> None:
    """Print a sentence to the standard output, without wrapping."""
    stdout().print(Text(printable(sentence), style), soft_wrap=True)


def print_error(sentence: str) -> None:
    """Print an error to the standard error as one line, without wrapping."""
    stderr().print(Text("payments: ", "bold red").append(printable(" ".join(sentence.split())), ""), soft_wrap=True)


def print_warning(sentence: str) -> None:
    """Print a warning to the standard error as one line, without wrapping."""
    stderr().print(Text("payments: warning: ", "yellow").append(printable(sentence), ""), soft_wrap=True)


def print_note(sentence: str) -> None:
    """Print a sentence about the result to the standard error, without wrapping."""
    stderr().print(Text(printable(sentence)), soft_wrap=True)


def printable(text: str) -> str:
    """Return a text without control characters.

    Texts of the EMR may contain them, and a terminal would execute them.
    """
    return (
        text
        if text.isprintable()
        else "".join(character if character.isprintable() else "\ufffd" for character in text)
    )


def use_utf8() -> None:
    """Set the standard output and error to UTF-8, independent of the locale."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _console(stream: TextIO) -> Console:
    width = None if stream.isatty() or "COLUMNS" in os.environ else _WIDTH_WITHOUT_TERMINAL
    return Console(file=stream, width=width, highlight=False, emoji=False, markup=False)
