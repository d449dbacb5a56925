"""Describes the parameters of a report: one dataclass per report.

The options of the command, the form of the page and the query parameters of the API are created from the dataclass.
This module and the reports import no part of the ledger, so that `payments --help` stays fast: choices are loaded when
they are needed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from typing import Any


class ParameterKind(StrEnum):
    """The kind of a parameter's values. It determines how text is parsed and which input a form shows."""

    TEXT = "text"
    CLINIC = "clinic"
    COMPANY = "company"
    DAY = "day"
    MOMENT = "moment"
    AMOUNT = "amount"
    CHOICE = "choice"


@dataclass(frozen=True)
class Parameter:
    """A parameter: its label in a form, its help on the command line and in the API, and how its text is parsed.

    `option` is the option of the command; it is empty for a positional argument. `choices` loads the values of a
    CHOICE. `size` is the width of the input in characters, and `any_label` the label of the empty choice. On a page,
    the key `/` focuses the input of the parameter with `is_search`.
    """

    name: str
    label: str
    help: str
    kind: ParameterKind
    option: str
    metavar: str
    choices: Callable[[], Iterable[StrEnum]]
    size: int
    any_label: str
    is_search: bool
    default: Any

    @property
    def is_required(self) -> bool:
        """Whether the report needs a value of this parameter."""
        return self.default is MISSING


def parameter(label: str, help_text: str, kind: ParameterKind = ParameterKind.TEXT, **more: Any) -> Any:
    """Return a dataclass field that carries a Parameter. `more` holds its other attributes, such as `choices`.

    Unless `required`, the default is None.
    """
    default = MISSING if more.pop("required", False) else more.pop("default", None)
    return field(default=default, metadata={"label": label, "help": help_text, "kind": kind} | more)


def first_day(label: str = "From", day: str = "day") -> Any:
    """Return the field for the first day of a period. `day` names the date that is compared, for the help text."""
    return parameter(label, f"The first {day}. Default: no limit.", ParameterKind.DAY, option="--from")


def last_day(day: str = "day") -> Any:
    """Return the field for the last day of a period. `day` names the date that is compared, for the help text."""
    return parameter("To", f"The last {day}. Default: no limit.", ParameterKind.DAY, option="--to")


def clinic() -> Any:
    """Return the field for the choice of one clinic."""
    return parameter("Clinic", "This clinic only.", ParameterKind.CLINIC, size=10)


def company() -> Any:
    """Return the field for the choice of one company. Pages show it to users of several companies."""
    return parameter("Company", "This company only.", ParameterKind.COMPANY, size=10)


def as_of() -> Any:
    """Return the field for the time as of which the report shows the data."""
    example = "Report as of this time, e.g. 2026-11-02T09:00:00Z. Default: now."
    return parameter("Report as of (UTC)", example, ParameterKind.MOMENT)


def parameters_of(parameter_class: type[Any]) -> dict[str, Parameter]:
    """Return the parameters of a class by name, in the order of the fields."""
    return {each.name: _parameter(each.name, each.metadata, each.default) for each in fields(parameter_class)}


def _parameter(name: str, metadata: Mapping[str, Any], default: Any) -> Parameter:
    return Parameter(
        name=name,
        label=metadata["label"],
        help=metadata["help"],
        kind=metadata["kind"],
        option=metadata.get("option", f"--{name.replace('_', '-')}"),
        metavar=metadata.get("metavar", ""),
        choices=metadata.get("choices", tuple),
        size=metadata.get("size", 14),
        any_label=metadata.get("any_label", "Any"),
        is_search=metadata.get("is_search", False),
        default=default,
    )
