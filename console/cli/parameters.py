"""Create the options of a report command from the parameters of its report."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from console.cli.arguments import (
    FormatOption,
    LimitOption,
    RawOption,
    check_order,
    parse_choice,
    parse_date,
    parse_datetime,
    parse_dollars,
)
from console.cli.printing import Output
from console.reports.output import OutputFormat
from console.reports.parameters import Parameter, ParameterKind, parameters_of, with_period_days

if TYPE_CHECKING:
    from payments.store.db.connection import Transaction

_Parameters = TypeVar("_Parameters")
_TYPES: dict[ParameterKind, Any] = {
    ParameterKind.DAY: date,
    ParameterKind.MOMENT: datetime,
    ParameterKind.AMOUNT: Decimal,
}


def chosen_filter(tx: Transaction, parameters: Any) -> Any:
    """Return the filter that a report's parameters describe: company, clinic, patient and period.

    Raises AmbiguousIdError if several companies have the clinic or the patient, and no company is chosen.
    """
    from payments.core.scope import EVERYTHING
    from payments.journeys import choosing

    names = choosing.ScopeChoice._fields
    choice = choosing.ScopeChoice(*(getattr(parameters, name, None) or None for name in names))
    scope = choosing.choose_scope(tx, EVERYTHING, choice)
    return with_period_days(parameters, lambda: choosing.current_day(tx, scope, datetime.now(UTC))).to_filter(scope)


def report_command(parameter_class: type[_Parameters]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator for a command function.

    The function's first arguments are a report's parameters and an Output.

    The command gets an option for each parameter, then its own options, then the options of Output. Raises
    typer.BadParameter if a period ends before it begins.
    """
    described = parameters_of(parameter_class)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def run(**given: Any) -> None:
            chosen = {each.name: given.pop(each.name) for each in fields(parameter_class)}  # type: ignore[arg-type]
            check_order(chosen.get("since"), chosen.get("until"))
            output = Output(given.pop("output_format"), given.pop("limit"), given.pop("raw"))
            output.check()
            command(parameter_class(**chosen), output, **given)

        own = list(inspect.signature(command, eval_str=True).parameters.values())[2:]
        own = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
        options = [_option(each) for each in described.values()]
        run.__signature__ = inspect.Signature([*options, *own, *_OUTPUT_OPTIONS])  # type: ignore[attr-defined]
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        return run

    return decorate


def _output_option(name: str, annotation: Any, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


_OUTPUT_OPTIONS = (
    _output_option("output_format", FormatOption, OutputFormat.TABLE),
    _output_option("limit", LimitOption, None),
    _output_option("raw", RawOption, default=False),
)


def _option(parameter: Parameter) -> inspect.Parameter:
    annotation = _TYPES.get(parameter.kind, str)
    more: dict[str, Any] = {"help": parameter.help, "metavar": parameter.metavar or None}
    if parameter.kind not in {ParameterKind.TEXT, ParameterKind.CLINIC, ParameterKind.COMPANY}:
        more |= {"parser": _parser(parameter), "metavar": parameter.metavar or _METAVARS[parameter.kind]}
    described = typer.Option(parameter.option, **more) if parameter.option else typer.Argument(**more)
    if not parameter.is_required:
        annotation = annotation | None
    return inspect.Parameter(
        parameter.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if parameter.is_required else parameter.default,
        annotation=Annotated[annotation, described],
    )


_METAVARS = {
    ParameterKind.DAY: "YYYY-MM-DD",
    ParameterKind.MOMENT: "TIME",
    ParameterKind.AMOUNT: "AMOUNT",
    ParameterKind.CHOICE: "TEXT",
}


def _parser(parameter: Parameter) -> Callable[[str], Any]:
    match parameter.kind:
        case ParameterKind.DAY:
            return parse_date
        case ParameterKind.MOMENT:
            return parse_datetime
        case ParameterKind.AMOUNT:
            return parse_dollars
        case _:
            return _ChoiceParser(parameter)


class _ChoiceParser:
    """Parses the text of a parameter that has choices. The choices are loaded at the first use."""

    def __init__(self, parameter: Parameter) -> None:
        self._parameter = parameter

    def __call__(self, text: str) -> StrEnum:
        return parse_choice(self._parameter.command_choices(), text, self._parameter.name.replace("_", " "))

    @property
    def help(self) -> str:
        """The help of the parameter, followed by its choices."""
        return f"{self._parameter.help} One of: {', '.join(self._parameter.command_choices())}."


def list_choices(command: Any) -> None:
    """Add the choices of each parameter to the help of a command.

    The choices are not in the definition of the command, because loading them would slow every other command.
    """
    for parameter in command.params:
        described = getattr(parameter, "type_descriptor", None)
        parser = getattr(getattr(described, "parameter_info", None), "parser", None)
        if isinstance(parser, _ChoiceParser):
            parameter.help = parser.help
