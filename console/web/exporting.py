"""Send a list as a CSV or XLSX file. It has all rows that match the filter of the page, in the same order."""

from collections.abc import Callable, Generator, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from fastapi import Response
from fastapi.responses import StreamingResponse

from console.reports.definition import Report
from console.reports.exports import CSV_TYPE, XLSX_TYPE, as_csv, as_xlsx
from console.reports.output import Record
from console.reports.spool import in_background
from console.reports.xlsx import ROWS_MAX, too_many_rows
from console.web.context import RequestContext
from console.web.errors import PageError, capitalized
from payments.store.db.connection import Transaction


class FileFormat(StrEnum):
    """The format of an exported list."""

    CSV = "csv"
    XLSX = "xlsx"


class Export(NamedTuple):
    """A list to export, with functions that count and read its rows. `subject` names the list in the audit history."""

    report: Report
    file_format: FileFormat
    count: Callable[[Transaction], int]
    records: Callable[[Transaction], Iterable[Record]]
    subject: str = ""


def send_file(context: RequestContext, export: Export) -> Response:
    """Send a list as a file. The export is recorded in the audit history before the file begins.

    Raises PageError (422) for a spreadsheet of more than ROWS_MAX rows.
    """
    form = export.file_format
    with context.transaction() as tx:
        count = export.count(tx)
        if form is FileFormat.XLSX and count > ROWS_MAX:
            raise PageError(422, capitalized(f"{too_many_rows()}."), "Go back, narrow the filter and export again.")
        detail = f"{count:,} rows as {form}; {context.request.url.query}"
        context.audit(tx, f"exported {export.report.title}", export.subject, detail)
    list_name = context.request.url.path.split("/")[1]
    return StreamingResponse(
        in_background(_pieces(context, export)),
        media_type=CSV_TYPE if form is FileFormat.CSV else XLSX_TYPE,
        headers={"Content-Disposition": f'attachment; filename="{list_name}-{context.now:%Y-%m-%d}.{form}"'},
    )


def send_records(
    context: RequestContext, report: Report, form: FileFormat, records: Sequence[Record], subject: str = ""
) -> Response:
    """Send records that are already in memory as a file. Raises the errors of `send_file`."""
    return send_file(context, Export(report, form, lambda _: len(records), lambda _: records, subject))


def _pieces(context: RequestContext, export: Export) -> Generator[bytes, None, None]:
    as_file = as_csv if export.file_format is FileFormat.CSV else as_xlsx
    with context.snapshot_transaction() as tx:
        yield from as_file(export.records(tx), export.report)
