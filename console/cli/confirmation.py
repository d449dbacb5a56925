"""Ask for confirmation before an irreversible action. Defines the options --yes and --dry-run."""

import sys
from typing import Annotated

import typer
from rich.text import Text

from console.cli.terminal import printable, stderr
from console.errors import CommandError

YesOption = Annotated[
    bool, typer.Option("--yes", help="Skip the question on a terminal. Without a terminal the command never asks.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would happen and change nothing.")]


def must_ask(*, yes: bool) -> bool:
    """Return whether a command must ask for confirmation: the standard input is a terminal, and --yes was not given."""
    return not yes and sys.stdin.isatty()


def confirm(question: str) -> None:
    """Ask the user a question on the standard error. Raises CommandError unless the answer is `y` or `yes`."""
    stderr().print(Text(f"{printable(question)} [y/N] "), end="", soft_wrap=True)
    try:
        answer = sys.stdin.readline().strip().casefold()
    except KeyboardInterrupt:
        answer = ""
        sys.stderr.write("\n")
    if answer not in {"y", "yes"}:
        raise CommandError("not confirmed; nothing was changed")
