"""The template environment: filters that format money, times, states and names, and functions that render links."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from console.plurals import plural
from console.reports.balancing import ITEM_HEADINGS
from console.reports.definition import Column, ColumnKind, Report
from console.reports.parameters import parameters_of
from payments import balancing_wording, wording

FOLDER = Path(__file__).parent
_BADGE_CLASSES = {
    "Transmission Successful": "good",
    "Transmission Pending": "wait",
    "Validation Failed": "bad",
    "Not Sent": "bad",
    "open": "wait",
    "resolved": "good",
    "acknowledged": "calm",
    "auto_closed": "calm",
    "OPEN": "good",
    "SCHEDULED": "wait",
    "CLOSING": "wait",
    "CLOSED": "calm",
    "running": "wait",
    "done": "good",
    "stopped": "bad",
}
_WORDS = {"resolved": "accepted", "auto_closed": "closed automatically", "front-office": "front office"}
_NONE = Markup('<span class="none">&ndash;</span>')


def create_templates() -> Environment:
    """Return the template environment. An undefined name in a template is an error."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"money": format_money, "number": format_number, "plural": plural}
    environment.filters |= {"datetime": format_datetime, "datetime_seconds": format_datetime_seconds}
    environment.filters |= {"badge": badge, "humanize": humanize, "user_name": user_name}
    environment.filters |= {"format_utc_input": format_utc_input, "reason": wording.reason, "detail": wording.detail}
    environment.filters |= {"finding_reason": wording.finding_reason, "finding_note": wording.finding_note}
    environment.filters |= {"allocation_rule": wording.allocation_rule, "item_label": ITEM_HEADINGS.__getitem__}
    environment.filters["refund_problem"] = wording.refund_problem
    environment.filters |= {"balancing_notes": balancing_wording.balancing_notes}
    environment.globals |= {"cells": cells}
    environment.globals |= {
        "parameters_of": parameters_of,
        "is_filtered": is_filtered,
        "url": url,
        "statics": static_urls(),
    }
    environment.globals |= {"no_timezone_chosen": wording.no_timezone_chosen}
    environment.globals |= {"payment_link": payment_link, "patient_link": patient_link}
    return environment


def format_money(amount: Decimal | None) -> Markup:
    """Return dollars with thousands separators; a negative amount is red and has a true minus sign."""
    if amount is None:
        return _NONE
    # Digits and separators need no escaping.
    if amount < 0:
        return Markup(f'<span class="negative">\u2212{-amount:,.2f}</span>')  # noqa: S704
    return Markup(f"{amount:,.2f}")  # noqa: S704


def format_utc_input(at: datetime | None) -> str:
    """Return a time in UTC, in the format of an HTML input of type datetime-local."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}" if at else ""


@pass_context
def format_datetime(context: Context, at: datetime | date | None) -> Markup:
    """Return a date, or a time to the minute in the user's time zone."""
    return _format_time(context, at, "%H:%M")


@pass_context
def format_datetime_seconds(context: Context, at: datetime | date | None) -> Markup:
    """Return a date, or a time to the second in the user's time zone."""
    return _format_time(context, at, "%H:%M:%S")


def _format_time(context: Context, at: datetime | date | None, time_format: str) -> Markup:
    if at is None:
        return _NONE
    if not isinstance(at, datetime):
        return Markup(f'<time datetime="{at}"><span>{at}</span></time>')  # noqa: S704 (as above)
    zone: tzinfo = context.get("zone", UTC)
    local = at.astimezone(zone)
    # Narrow columns break between date and time, but within neither.
    parts = f"<span>{local:%Y-%m-%d}</span> <span>{local:{time_format}}</span>"
    return Markup(f'<time datetime="{at.isoformat()}">{parts}</time>')  # noqa: S704 (as above)


@pass_context
def cells(
    context: Context, report: Report, row: Any, custom: Mapping[str, Callable[[Any], str]], without: Sequence[str] = ()
) -> Markup:
    """Return the cells of a row, in the order of the report's columns on a page.

    `custom` holds, by column key, macros that render a cell from the whole row. This function is not a macro itself,
    because a page has hundreds of cells and Python is faster.
    """
    parts = []
    for column in report.page_columns:
        if column.key not in without:
            macro = custom.get(column.key)
            cell = macro(row) if macro else _format_value(context, column, row)
            css_class = f' class="{column.cell_class}"' if column.cell_class else ""
            parts.append(f"<td{css_class}>{cell}</td>")
    return Markup("".join(parts))  # noqa: S704 (macros and formats return markup)


def _format_value(context: Context, column: Column, row: Any) -> Markup:
    value = row[column.key] if isinstance(row, Mapping) else getattr(row, column.key)
    match column.kind:
        case ColumnKind.MONEY:
            return format_money(value)
        case ColumnKind.COUNT:
            return escape(format_number(value))
        case ColumnKind.DATE | ColumnKind.MOMENT:
            return format_datetime(context, value)
        case _:
            return escape("" if value is None else value)


@cache
def badge(state: str | None) -> Markup:
    """Return a state as a coloured badge. The badge contains the state as text, so the colour adds no information."""
    if not state:
        return Markup("")
    text = humanize(state)
    css_class = _BADGE_CLASSES.get(state, "calm")
    return Markup('<span class="badge {}">{}</span>').format(css_class, text[:1].upper() + text[1:])


def humanize(name: str | None) -> str:
    """Return an internal name as words: "closed automatically" for `auto_closed`, "Open" for `OPEN`."""
    text = _WORDS.get(name or "", name or "").replace("_", " ")
    return text.capitalize() if text.isupper() else text


def user_name(signature: str | None) -> str:
    """Return the name in a signature: ann for `user:ann`."""
    return (signature or "").removeprefix("user:")


def format_number(count: int | None) -> str:
    """Return a whole number with thousands separators."""
    return "" if count is None else f"{count:,}"


def format_age(span: timedelta) -> str:
    """Return a duration in its largest whole unit."""
    seconds = max(0, round(span.total_seconds()))
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds // unit:,} {name}"
    return f"{seconds} s"


def is_filtered(report: Report, chosen: Any) -> bool:
    """Return whether a report is filtered. Empty values do not count, because a form also sends fields left empty."""
    described = parameters_of(report.parameters or type(chosen)).values()
    return any(getattr(chosen, each.name) not in {None, each.default} for each in described if each.name != "group_by")


def url(path: str, **query: object) -> str:
    """Return an address of the console with query parameters. Parameters that are None or empty are omitted."""
    given = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


def payment_link(key: str | None, company: str | None, shown: str | None = None) -> Markup:
    """Return a link to the timeline of a company's payment. The text of the link is `shown`, or the payment's key."""
    if not key:
        return Markup("")
    address = f"/timeline?payment={quote_plus(key)}{_company_query(company)}"
    # `quote_plus` escapes the address and `escape` the text, here and below.
    return Markup(f'<a class="key" href="{address}">{escape(shown or key)}</a>')  # noqa: S704


def patient_link(patient: str | None, company: str | None) -> Markup:
    """Return a link to the account of a company's patient; empty without a patient."""
    if not patient:
        return Markup("")
    address = f"/account?patient={quote_plus(patient)}{_company_query(company)}"
    return Markup(f'<a href="{address}">{escape(patient)}</a>')  # noqa: S704


def _company_query(company: str | None) -> str:
    """Return the query parameter that lets a link open the data of this company, where another one has the same id."""
    return f"&amp;company={quote_plus(company)}" if company else ""


def static_urls() -> Mapping[str, str]:
    """Return the addresses of the static files. Each contains a hash of the file, so that browsers cache it forever."""
    files = sorted((FOLDER / "static").iterdir())
    return {path.name: f"/static/{path.name}?{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}" for path in files}
