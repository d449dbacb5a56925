"""The number of rows of a list and the sum of their amounts, within a limit of rows or of time.

A page is shown without waiting for its summary. It links to the summary, and a script loads the link.
"""

from collections.abc import Callable
from typing import TypeVar

from fastapi import Response

from console.reports.definition import Report
from console.web.context import RequestContext
from console.web.rendering import url
from payments.core.sorting import SORTED_ROWS_MAX
from payments.journeys import reporting
from payments.journeys.reporting import Summary
from payments.store.db.connection import Transaction

_Filter = TypeVar("_Filter")
TIME_LIMIT_MS = 2_000
"""PostgreSQL stops counting after this time."""


def show_summary(
    context: RequestContext,
    report: Report,
    read: Callable[[Transaction, _Filter, int | None], Summary],
    chosen: _Filter,
    *,
    exact: bool,
) -> Response:
    """Show the summary of up to SORTED_ROWS_MAX rows or, if `exact`, of all rows within TIME_LIMIT_MS.

    `read` is called with the filter `chosen` and the limit of rows. A script gets only the text of the summary, other
    clients get a page.
    """
    found = _read_summary(context, lambda tx: read(tx, chosen, None if exact else SORTED_ROWS_MAX))
    path, given = context.request.url.path, dict(context.request.query_params)
    is_part = context.request.headers.get("hx-request") == "true"
    return context.page(
        "list_summary_part.html" if is_part else "list_summary.html",
        report=report,
        summary=found,
        counted=SORTED_ROWS_MAX,
        is_exact=exact,
        exact_address=url(path, **given | {"exact": "true"}),
        list_address=url(path.removesuffix("/summary"), **{name: given[name] for name in given if name != "exact"}),
    )


def _read_summary(context: RequestContext, read: Callable[[Transaction], Summary]) -> Summary | None:
    """Return the summary, or None if PostgreSQL needed longer than TIME_LIMIT_MS."""
    try:
        with context.transaction() as tx:
            return reporting.within_time(tx, TIME_LIMIT_MS, read)
    except reporting.TimeLimitError:
        return None
