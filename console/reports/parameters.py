"""Describes the parameters of a report: one dataclass a report.

The options of the command, the form of the page and the query parameters of the API are made from it. This module and
the reports import no part of the ledger, so that `payments --help` stays fast: choices are loaded when they are needed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from typing import Any


class ParameterKind(StrEnum):
    """What a parameter holds, which decides how it is read and which field a form shows."""

    TEXT = "text"
    CLINIC = "clinic"
    DAY = "day"
    MOMENT = "moment"
    AMOUNT = "amount"
    CHOICE = "choice"


@dataclass(frozen=True)
class Parameter:
    """A parameter: its label in a form, its help on the command line and in the API, and how it is read.

    `option` is the option of the command, an empty text for an argument. `choices` loads the values of a CHOICE.
    `size` is the width of its input in characters, `any_label` the label of no choice.
    The key `/` focuses the input of the parameter that `is_search`.
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
        """Whether the command cannot run without it."""
        return self.default is MISSING


def parameter(label: str, help_text: str, kind: ParameterKind = ParameterKind.TEXT, **more: Any) -> Any:
    """Describe a field of a parameter class. `more` are fields of Parameter; the default is None unless `required`."""
    default = MISSING if more.pop("required", False) else more.pop("default", None)
    return field(default=default, metadata={"label": label, "help": help_text, "kind": kind} | more)


def first_day(label: str = "From", day: str = "day") -> Any:
    """Describe the first day of a period; `day` names the date that is compared."""
    return parameter(label, f"The first {day}. Default: no limit.", ParameterKind.DAY, option="--from")


def last_day(day: str = "day") -> Any:
    """Describe the last day of a period; `day` names the date that is compared."""
    return parameter("To", f"The last {day}. Default: no limit.", ParameterKind.DAY, option="--to")


def clinic() -> Any:
    """Describe the choice of one clinic."""
    return parameter("Clinic", "This clinic only.", ParameterKind.CLINIC, size=10)


def as_of() -> Any:
    """Describe the moment as of which the report is read."""
    example = "Report as of this time, e.g. 2026-11-02T09:00:00Z. Default: now."
    return parameter("Known as of (UTC)", example, ParameterKind.MOMENT)


def parameters_of(parameter_class: type[Any]) -> dict[str, Parameter]:
    """Return the parameters of a class by name, in their order."""
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
