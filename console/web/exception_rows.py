"""The rows of Billing Exceptions on pages. After a decision, the decided rows stay on the list."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any
from urllib.parse import parse_qsl, urlencode

from console.reports.exceptions import EXCEPTIONS
from console.web.context import RequestContext
from payments.access.rights import Right
from payments.core.finding import FindingReason
from payments.journeys import adjusting, assigning, reporting
from payments.journeys.reporting import ExceptionRow, Sort
from payments.store.db.connection import Transaction

KEPT_PATTERN = r"^[1-9][0-9]{0,17}(\.[1-9][0-9]{0,17}){0,49}$"
"""The form of the parameter `kept`: the ids of decided rows that stay on a list, separated by points."""
_KEPT_MAX = 50
_NEXT_STEP_BY_REASON = {
    FindingReason.PATIENT_NOT_FOUND.value: "Save the patient in the EMR.",
    FindingReason.VERSION_CONFLICT.value: "Save the payment again in the EMR.",
}


def row_values(tx: Transaction, context: RequestContext, rows: Sequence[ExceptionRow], back: str) -> dict[str, Any]:
    """Return the values, other than the rows, that the template of the rows needs.

    `back` is the address of the page to which the forms in the rows return.
    """
    return {
        "report": EXCEPTIONS,
        "back": back,
        "may_edit": context.may(Right.EDIT),
        "accepts": {reason.value for reason in FindingReason if reason.can_be_accepted},
        "next_steps": _NEXT_STEP_BY_REASON,
        "deposit_dates": adjusting.default_deposit_dates(tx, {row.company for row in rows}, context.now),
        "owners": assignable_user_names(tx, context) if context.may(Right.EDIT) else [],
        "posted": reporting.exception_entries(tx, [row for row in rows if row.status == "resolved"]),
    }


def assignable_user_names(tx: Transaction, context: RequestContext) -> list[str]:
    """Return the names of the users to whom this user can assign exceptions."""
    return [each.name for each in assigning.list_assignable_users(tx, context.user.scope)]


def with_kept(rows: Sequence[ExceptionRow], kept: Sequence[ExceptionRow], sort: Sort) -> list[ExceptionRow]:
    """Return a page of rows together with the kept rows, in the order of the list.

    The kept rows are exceptions that the user has decided on this page.
    """
    shown = {row.id for row in rows}
    found = [*rows, *(row for row in kept if row.id not in shown)]
    return sorted(found, key=lambda row: _sort_key(row, sort), reverse=sort.is_descending) if kept else list(rows)


def read_kept(tx: Transaction, context: RequestContext, kept: str | None) -> list[ExceptionRow]:
    """Return the decided rows that stay on a list. Rows that the user cannot see are left out.

    `kept` matches KEPT_PATTERN.
    """
    ids = [int(each) for each in kept.split(".")] if kept else []
    found = (reporting.exception(tx, each, context.user.scope) for each in dict.fromkeys(ids))
    return [row for row in found if row is not None]


def address_keeping_row(back: str, finding_id: int) -> str:
    """Return the address `back` of a list, extended so that a decided row stays and the browser scrolls to it."""
    path, _, query = back.partition("?")
    if path != "/exceptions":
        return back
    given = dict(parse_qsl(query))
    kept = given.pop("kept", "")
    ids = [each for each in (kept.split(".") if re.match(KEPT_PATTERN, kept) else []) if each != str(finding_id)]
    given["kept"] = ".".join([*ids, str(finding_id)][-_KEPT_MAX:])
    return f"{path}?{urlencode(given)}#exception-{finding_id}"


def _sort_key(row: ExceptionRow, sort: Sort) -> tuple[bool, Any, int]:
    value = getattr(row, sort.column, None)
    if isinstance(value, date | str | None):
        value = str(value or "")
    return (value is None, value, row.id)
