"""The template environment: its filters and globals, and functions that render table cells and links."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from console.plurals import plural
from console.reports.balancing import ITEM_HEADINGS
from console.reports.definition import Column, ColumnKind, Report
from console.reports.health import format_seconds
from console.reports.parameters import parameters_of
from console.web import formats
from console.web.active_filters import active_filters, field_text, is_filtered
from console.web.help_on_page import help_button
from payments import audit_wording, balancing_wording, operations_wording, posted_wording, wording
from payments.contract.errors import dead_letter_id

FOLDER = Path(__file__).parent


def create_templates() -> Environment:
    """Return the template environment. A template that uses an undefined name raises an error."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"money": formats.format_money, "money_text": formats.format_money_text}
    environment.filters |= {"number": formats.format_number}
    environment.filters |= {"plural": plural, "seconds": format_seconds}
    environment.filters |= {"datetime": formats.format_datetime}
    environment.filters["datetime_seconds"] = formats.format_datetime_seconds
    environment.filters |= {"badge": formats.badge, "humanize": formats.humanize, "user_name": formats.user_name}
    environment.filters |= {"format_utc_input": formats.format_utc_input, "unbroken": formats.unbroken}
    environment.filters |= {"reason": wording.reason, "reason_term": wording.reason_term, "detail": wording.detail}
    environment.filters |= {"finding_reason": wording.finding_reason, "finding_note": wording.finding_note}
    environment.filters |= {"allocation_rule": wording.allocation_rule, "item_label": ITEM_HEADINGS.__getitem__}
    environment.filters["refund_problem"] = wording.refund_problem
    environment.filters |= {"age": formats.format_age, "posted_cause": posted_wording.posted_cause}
    environment.filters |= {"posted_badge": formats.posted_badge, "posted_state": posted_wording.posted_state}
    environment.filters |= {"balancing_notes": balancing_wording.balancing_notes}
    environment.filters |= {"job_name": operations_wording.job_name, "company_changes": audit_wording.company_changes}
    environment.globals |= {"cells": cells}
    environment.globals |= {
        "parameters_of": parameters_of,
        "is_filtered": is_filtered,
        "active_filters": active_filters,
        "field_text": field_text,
        "offered_with": offered_with,
        "url": url,
        "statics": static_urls(),
    }
    environment.globals |= {"no_timezone_chosen": wording.no_timezone_chosen}
    environment.globals |= {"payment_link": payment_link, "patient_link": patient_link}
    environment.globals["refused_event_link"] = refused_event_link
    environment.globals["help_button"] = help_button
    environment.globals["user_cell"] = formats.user_cell
    return environment


@pass_context
def cells(
    context: Context, report: Report, row: Any, custom: Mapping[str, Callable[[Any], str]], without: Sequence[str] = ()
) -> Markup:
    """Return the cells of a row, in the order of the report's columns on a page.

    `custom` maps the key of a column to a macro that renders the cell from the whole row. `without` lists the keys of
    columns to leave out. A page has hundreds of cells, and Python renders them faster than a template macro.
    """
    parts = []
    for column in report.page_columns:
        if column.key not in without:
            macro = custom.get(column.key)
            cell = macro(row) if macro else _format_value(context, column, row)
            css_class = f' class="{column.cell_class}"' if column.cell_class else ""
            # Phones show the heading beside the value.
            parts.append(f'<td{css_class} data-label="{escape(column.heading)}">{cell}</td>')
    return Markup("".join(parts))  # noqa: S704 (macros and formats return markup)


def _format_value(context: Context, column: Column, row: Any) -> Markup:
    value = row[column.key] if isinstance(row, Mapping) else getattr(row, column.key)
    match column.kind:
        case ColumnKind.MONEY:
            return formats.format_money(value)
        case ColumnKind.COUNT:
            return escape(formats.format_number(value))
        case ColumnKind.DATE | ColumnKind.MOMENT:
            return formats.format_datetime(context, value)
        case _:
            return formats.unbroken("" if value is None else value)


def offered_with(chosen: str | None, offered: Sequence[str]) -> Sequence[str]:
    """Return the ids to choose from, together with the chosen id. The chosen id may be that of a retired clinic."""
    return offered if not chosen or chosen in offered else [chosen, *offered]


def url(path: str, **query: object) -> str:
    """Return an address of the console with query parameters. Parameters that are None or empty are left out."""
    given = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


def payment_link(key: str | None, company: str | None, shown: str | None = None) -> Markup:
    """Return a link to the timeline of a payment. Its text is `shown`, or the key of the payment."""
    if not key:
        return Markup("")
    address = f"/timeline?payment={quote_plus(key)}{_company_query(company)}"
    # `quote_plus` escapes the address and `escape` the text, here and below.
    label = escape(shown or key)
    clinic, slash, number = label.partition("/")
    parts = f"<small>{clinic}<span>{slash}</span></small><span>{number}</span>" if slash else label
    # Pages show the payment number above the clinic. The label gives screen readers the whole key.
    return Markup(f'<a class="key" href="{address}" title="{escape(key)}" aria-label="{label}">{parts}</a>')  # noqa: S704


def patient_link(patient: str | None, company: str | None, name: str | None = None) -> Markup:
    """Return a link to the account of a patient. Without a patient, return an empty text.

    If the name is known, the link shows the name, and the id follows the link. Otherwise the link shows the id.
    """
    if not patient:
        return Markup("")
    address = f"/account?patient={quote_plus(patient)}{_company_query(company)}"
    of_name = f' <span class="note patient-id" title="{escape(patient)}">{escape(patient)}</span>' if name else ""
    css_class, title = ("patient", f"{name} {patient}") if name else ("key", patient)
    link = f'<a class="{css_class}" href="{address}" title="{escape(title)}">{escape(name or patient)}</a>'
    return Markup(link + of_name)  # noqa: S704


def refused_event_link(key: str) -> Markup:
    """Return a link to a refused event. `key` is the printed key of its dead letter."""
    return Markup('<a class="note nowrap" href="/refused-events/{0}">Refused event {0}</a>').format(dead_letter_id(key))


def _company_query(company: str | None) -> str:
    """Return the query parameter `company`. It makes a link unambiguous if another company has the same id."""
    return f"&amp;company={quote_plus(company)}" if company else ""


def static_urls() -> Mapping[str, str]:
    """Return the addresses of the static files.

    Each contains a hash of the file, so browsers may cache the file forever.
    """
    folder = FOLDER / "static"
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    hashes = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    return {name: f"/static/{name}?{digest[:12]}" for name, digest in hashes.items()}
