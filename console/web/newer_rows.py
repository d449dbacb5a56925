"""Count the rows that were added to a list after a page was shown. The page shows the number, but not the new rows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import Response
from fastapi.responses import HTMLResponse

from console.reports.definition import Report
from console.web.context import RequestContext
from console.web.cursors import END, decode_window
from console.web.filters import ReportQuery
from console.web.rendering import url
from payments.core.sorting import Sort, Window
from payments.store.db.connection import Transaction
from payments.store.db.keyset import SortKey

COUNTED_MAX = 100
"""Maximum number of new rows that are counted."""


def show_newer(
    context: RequestContext,
    report: Report,
    query: ReportQuery[Any],
    sorts: Mapping[str, Sequence[SortKey]],
    count: Callable[[Transaction, Window, Sort], int],
) -> Response:
    """Show how many rows are beyond the position in the query (`before` or `after`), with a link to these rows.

    If there are no such rows, answer with the status 204. Raises PageError (422) for an invalid position.
    """
    sort = report.sort_of(query.parameters)
    with context.transaction() as tx:
        found = count(tx, decode_window(query, sorts[sort.column], COUNTED_MAX), sort)
    if not found:
        return Response(status_code=204)
    path, given = context.request.url.path.removesuffix("/newer"), dict(context.request.query_params)
    last_page = None if sort.is_descending else END
    address = url(path, **given | {"after": None, "before": last_page})
    # Not `context.page`, which would show and delete the flash message meant for the next page.
    values = {"count": found, "most": COUNTED_MAX, "address": address, "report": report}
    return HTMLResponse(context.app.render("newer_rows.html", values))
