"""Adapt the help that Typer builds: plain names for values, and paragraphs that wrap to the width of the terminal."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import typer

_VALUE_NAMES = {int: "NUMBER", float: "NUMBER", bool: ""}


def adapt_help(command: Any) -> None:
    """Rewrite the help of a command and of its subcommands.

    Each paragraph becomes one line, and the values of arguments and options get plain names.
    """
    if command.help:
        command.help = _join_lines(command.help)
    for parameter in [*command.params, command.get_help_option(typer.Context(command))]:
        if parameter.param_type_name == "argument":
            _name_argument(parameter)
        elif parameter.metavar is None:
            parameter.metavar = _value_name(parameter)
    for each in getattr(command, "commands", {}).values():
        adapt_help(each)


def _join_lines(text: str) -> str:
    """Return a text with each paragraph on one line. The line breaks of the source would not fit every terminal."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _value_name(option: Any) -> str:
    """Return the name that the help shows for an option's value.

    The name for an enumeration is the list of its choices. The name for a flag is empty, because it has no value.
    """
    if option.is_flag:
        return ""
    annotation = option.type_descriptor.annotation
    choices: Iterable[StrEnum] | None = option.type_descriptor.choices
    return "|".join(choices) if choices else _VALUE_NAMES.get(annotation, "TEXT")


def _name_argument(argument: Any) -> None:
    """Set the name of an argument in the usage line: in brackets if it is optional, with an ellipsis if it repeats."""
    argument.metavar = argument.metavar or argument.name.upper()
    name = argument.metavar if argument.required else f"[{argument.metavar}]"
    argument.get_usage_pieces = lambda _context: [name if argument.nargs == 1 else f"{name}..."]
    argument.display_type_rich = lambda ctx: None  # noqa: ARG005 (Typer passes it by name; the metavar says enough)
