"""The filters that are set in a report. A page shows them as chips."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from jinja2 import pass_context
from jinja2.runtime import Context

from console.reports.definition import Report
from console.reports.parameters import CHOICES, Parameter, parameters_of
from console.web.formats import format_utc_input


def is_filtered(report: Report, chosen: Any) -> bool:
    """Return whether a report is filtered. Its sort, its grouping and the empty fields of its form do not count."""
    described = parameters_of(report.parameters or type(chosen)).values()
    return any(
        getattr(chosen, each.name) not in {None, each.default}
        for each in described
        if each.name not in {"group_by", "sort"}
    )


class ActiveFilter(NamedTuple):
    """A filter that is set, with its value as the form shows it. A required filter cannot be removed."""

    name: str
    label: str
    value: str
    is_required: bool


@pass_context
def active_filters(context: Context, report: Report, chosen: Any) -> list[ActiveFilter]:
    """Return the filters to which the address of the page gives another value than the default."""
    if chosen is None or report.parameters is None:
        return []
    given = context["context"].request.query_params
    return [
        ActiveFilter(each.name, each.label, _shown_value(each, getattr(chosen, each.name)), each.is_required)
        for each in parameters_of(report.parameters).values()
        if each.name != "sort" and given.get(each.name) and getattr(chosen, each.name) != each.default
    ]


def field_text(field: Parameter, chosen: Any) -> str:
    """Return the text to show in the field of a filter.

    `chosen` is the object with the parsed filters, a mapping of the texts that were sent, or None if nothing was sent.
    """
    if isinstance(chosen, Mapping):
        return str(chosen.get(field.name, ""))
    value = getattr(chosen, field.name) if chosen else None
    if value is None:
        return ""
    return format_utc_input(value) if isinstance(value, datetime) else str(value)


def _shown_value(parameter: Parameter, value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return parameter.choice_text(str(value)) if parameter.kind in CHOICES else str(value)
