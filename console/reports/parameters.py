"""Describe the parameters of a report, as one dataclass per report.

The dataclass determines the options of the command, the form of the page and the query parameters of the API. This
module and the reports import no part of the ledger, so that `payments --help` stays fast. Choices are loaded when they
are needed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import date
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from payments.core.period import Period

_Parameters = TypeVar("_Parameters")


class ParameterKind(StrEnum):
    """The kind of a parameter's values. It determines how its text is parsed, and its input in a form."""

    TEXT = "text"
    CLINIC = "clinic"
    COMPANY = "company"
    DAY = "day"
    MOMENT = "moment"
    AMOUNT = "amount"
    CHOICE = "choice"
    PERIOD = "period"
    SORT = "sort"


CHOICES = frozenset({ParameterKind.CHOICE, ParameterKind.PERIOD, ParameterKind.SORT})
"""The kinds of parameters whose value is one of a list of choices."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a report: its label in a form, its help in the command and the API, and the kind of its values.

    - `option`: the option of the command. It is empty for a positional argument.
    - `metavar`: the name of the value in the help of the command.
    - `choices`: a function that loads the values of a parameter whose kind is in CHOICES.
    - `command_choices`: a function that loads the values that a command accepts, if these are fewer.
    - `choice_text`: a function that returns the text of a choice on a page. By default, a code is shown as words.
    - `size`: the width of the input in characters.
    - `any_label`: the label of the empty choice.
    - `is_search`: whether the key `/` focuses the input on a page.
    - `is_advanced`: whether the filter of a page has the input under "More".
    """

    name: str
    label: str
    help: str
    kind: ParameterKind
    option: str
    metavar: str
    choices: Callable[[], Iterable[StrEnum]]
    command_choices: Callable[[], Iterable[StrEnum]]
    choice_text: Callable[[str], str]
    size: int
    any_label: str
    is_search: bool
    is_advanced: bool
    default: Any

    @property
    def is_required(self) -> bool:
        """Whether the report needs a value of this parameter."""
        return self.default is MISSING


def parameter(label: str, help_text: str, kind: ParameterKind = ParameterKind.TEXT, **more: Any) -> Any:
    """Return a dataclass field with a Parameter. `more` holds other attributes of the Parameter, such as `choices`.

    The default of the field is None, unless `more` has a `default` or `required=True`.
    """
    default = MISSING if more.pop("required", False) else more.pop("default", None)
    return field(default=default, metadata={"label": label, "help": help_text, "kind": kind} | more)


def first_day_field(label: str = "From", day: str = "day", default: str = "no limit") -> Any:
    """Return the field for the first day of a period.

    Both other arguments are parts of the help text. `day`: the kind of date, such as "transaction date". `default`: the
    days that an empty field selects.
    """
    return parameter(label, f"The first {day}. Default: {default}.", ParameterKind.DAY, option="--from")


def last_day_field(day: str = "day", default: str = "no limit") -> Any:
    """Return the field for the last day of a period. See `first_day_field`."""
    return parameter("To", f"The last {day}. Default: {default}.", ParameterKind.DAY, option="--to")


def period() -> Any:
    """Return the field for a period relative to the current day. A first or last day overrides the period."""
    return parameter(
        "Period",
        "A period relative to the company's current day. Ignored if a first or last day is given.",
        ParameterKind.PERIOD,
        choices=lambda: Period,
        metavar="PERIOD",
    )


def with_period_days(parameters: _Parameters, today: Callable[[], date]) -> _Parameters:
    """Return the parameters with the first and the last day of their period.

    Parameters without a period, or with a first or last day, are returned unchanged. Then `today` is not called.
    """
    chosen: Any = parameters
    if getattr(chosen, "period", None) is None or chosen.since or chosen.until:
        return parameters
    days = chosen.period.days(today())
    found: _Parameters = replace(chosen, since=days.since, until=days.until)
    return found


def sort_by(sorts: Callable[[], Iterable[object]]) -> Any:
    """Return the field for the sort of a report. `sorts` loads the sorts that the report offers."""

    def choices() -> Iterable[StrEnum]:
        # A member's name may not begin with a minus sign.
        make_enum: Any = StrEnum
        names = {f"{text}_descending".removeprefix("-") if text[0] == "-" else text: text for text in map(str, sorts())}
        found: Iterable[StrEnum] = make_enum("Sort", names)
        return found

    return parameter(
        "Sort by",
        "Sort by this column; with a minus sign before its name, in descending order.",
        ParameterKind.SORT,
        choices=cache(choices),
        metavar="COLUMN",
    )


def clinic() -> Any:
    """Return the field for the choice of one clinic."""
    return parameter("Clinic", "This clinic only.", ParameterKind.CLINIC, size=10)


def company() -> Any:
    """Return the field for the choice of one company. Pages show it to users of several companies."""
    return parameter("Company", "This company only.", ParameterKind.COMPANY, size=10, is_advanced=True)


def as_of() -> Any:
    """Return the field for a time in the past. The report then shows the data of that time."""
    example = "Report as of this time, e.g. 2026-11-02T09:00:00Z. UTC, unless it has an offset. Default: now."
    return parameter("Report as of (UTC)", example, ParameterKind.MOMENT, is_advanced=True)


def parameters_of(parameter_class: type[Any]) -> dict[str, Parameter]:
    """Return the parameters of a class by name. They are in the order of its fields."""
    return {each.name: _parameter(each.name, each.metadata, each.default) for each in fields(parameter_class)}


def _in_words(text: str) -> str:
    """Return a code as words: `Charge type` for `charge_type`. Other text is returned unchanged."""
    return text.replace("_", " ").capitalize() if "_" in text or text.islower() else text


def _parameter(name: str, metadata: Mapping[str, Any], default: Any) -> Parameter:
    return Parameter(
        name=name,
        label=metadata["label"],
        help=metadata["help"],
        kind=metadata["kind"],
        option=metadata.get("option", f"--{name.replace('_', '-')}"),
        metavar=metadata.get("metavar", ""),
        choices=metadata.get("choices", tuple),
        command_choices=metadata.get("command_choices", metadata.get("choices", tuple)),
        choice_text=metadata.get("choice_text", _in_words),
        size=metadata.get("size", 14),
        any_label=metadata.get("any_label", "Any"),
        is_search=metadata.get("is_search", False),
        is_advanced=metadata.get("is_advanced", False),
        default=default,
    )
