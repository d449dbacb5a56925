"""Responses of the API that contain rows of a report."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse

from console.reports.definition import Report
from console.reports.output import Record, to_json_value
from console.web.cursors import encode_position
from payments.store.db.keyset import Page

_NO_OTHER_PAGES: Mapping[str, str | None] = {"next": None, "previous": None}


def page_response(page: Page[Any], records: Callable[[Iterable[Any]], Iterable[Record]], report: Report) -> Response:
    """Return a page of a report as JSON. `next` and `previous` are the positions of the pages after and before it."""
    positions = [encode_position(each.position) for each in (*page.rows[:1], *page.rows[-1:])]
    beside = {
        "next": positions[-1] if page.has_more else None,
        "previous": positions[0] if page.has_previous and positions else None,
    }
    return rows_response(records(each.row for each in page.rows), report, beside)


def rows_response(
    records: Iterable[Record], report: Report, beside: Mapping[str, str | None] = _NO_OTHER_PAGES
) -> Response:
    """Return records as JSON, with the keys of the report. `beside` holds the positions of other pages."""
    return json_response(({key: record[key] for key in report.keys} for record in records), beside)


def json_response(records: Iterable[Record], beside: Mapping[str, str | None] = _NO_OTHER_PAGES) -> Response:
    """Return records as JSON, with all of their keys. `beside` holds the positions of other pages."""
    rows = [{key: to_json_value(value) for key, value in record.items()} for record in records]
    return JSONResponse({"rows": rows, **beside})
