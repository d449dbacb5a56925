"""Refuse an option that is given twice although it has a single value. The parser alone would use the last value."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import typer


def refuse_repeated_options(command: Any) -> None:
    """Make a command and all its subcommands refuse repeated options, except options that may have several values."""
    make_parser = command.make_parser

    def make_strict_parser(context: typer.Context) -> Any:
        parser = make_parser(context)
        parse = parser.parse_args

        def parse_strictly(args: list[str]) -> tuple[dict[str, Any], list[str], list[Any]]:
            values, rest, given = parse(args=args)
            _reject_repeated(given, context)
            return values, rest, given

        parser.parse_args = parse_strictly
        return parser

    command.make_parser = make_strict_parser
    for each in getattr(command, "commands", {}).values():
        refuse_repeated_options(each)


def _reject_repeated(given: Sequence[Any], context: typer.Context) -> None:
    """Raise BadParameter if an option with a single value occurs more than once in `given`."""
    counts = Counter(each for each in given if each.param_type_name == "option" and not (each.multiple or each.count))
    for option, count in counts.items():
        if count > 1:
            raise typer.BadParameter(f"given {count} times; give it once", ctx=context, param=option)
