"""The Patient Payment Log: every entry of the ledger, filtered, grouped, and exported as a file."""

from collections.abc import Generator
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import StreamingResponse

from console.reports.exports import CSV_TYPE, XLSX_TYPE, as_csv, as_xlsx
from console.reports.payment_log import (
    PAYMENT_LOG,
    PaymentLogParameters,
    log_records,
    log_sum_records,
    payment_log_sums,
)
from console.reports.spool import in_background
from console.reports.xlsx import ROWS_MAX, too_many_rows
from console.web.auth import Exporter, Viewer
from console.web.context import RequestContext
from console.web.errors import PageError, capitalized
from console.web.filters import ReportQuery, decode_log_cursor, encode_log_cursor, report_query
from console.web.pages.choices import list_offered_ids
from payments.contract.money import total
from payments.journeys import reporting
from payments.journeys.reporting import GroupBy, LogFilter
from payments.store.db.connection import Transaction

router = APIRouter(include_in_schema=False)

PAGE_ROWS = 50


class FileForm(StrEnum):
    """The format of an exported file."""

    CSV = "csv"
    XLSX = "xlsx"


LogQuery = Annotated[ReportQuery[PaymentLogParameters], Depends(report_query(PaymentLogParameters))]


@router.get("/payment-log")
def show(query: LogQuery, context: Viewer) -> Response:
    """Show a page of the log, or its sums."""
    chosen = query.parameters
    log_filter, group = chosen.query(context.scope_of(query.choice)), chosen.group_by
    with context.transaction() as tx:
        sums = reporting.payment_log_sums(tx, log_filter, group) if group else None
        page = None if group else reporting.payment_log_page(tx, log_filter, decode_log_cursor(query.after), PAGE_ROWS)
        offered = list_offered_ids(tx, context)
        context.audit(tx, "viewed Patient Payment Log", chosen.patient or "", context.request.url.query)
    last = page.rows[-1] if page and page.has_more else None
    return context.page(
        "payment_log.html",
        report=payment_log_sums(group) if group else PAYMENT_LOG,
        chosen=chosen,
        is_first=query.after is None,
        rows=[each.row for each in page.rows] if page else [],
        sums=sums,
        total=total(each.total for each in sums) if sums is not None else None,
        count=sum(each.count for each in sums) if sums is not None else 0,
        next_page=context.link(after=encode_log_cursor(last.cursor)) if last else None,
        offered=offered,
        query_string=context.link(after=None).partition("?")[2],
    )


@router.get("/payment-log/export")
def export(query: LogQuery, context: Exporter, form: FileForm = FileForm.CSV) -> Response:
    """Export the selected entries as a file; the export is recorded in the audit history before it begins."""
    log_filter, group = query.parameters.query(context.scope_of(query.choice)), query.parameters.group_by
    with context.transaction() as tx:
        count = _count(tx, log_filter, group)
        if form is FileForm.XLSX and count > ROWS_MAX:
            raise PageError(422, capitalized(f"{too_many_rows()}."), "Go back, narrow the filter and export again.")
        rows = f"{count:,} rows as {form}; {context.request.url.query}"
        context.audit(tx, "exported Patient Payment Log", query.parameters.patient or "", rows)
    name = f"payment-log-{context.now:%Y-%m-%d}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    media_type = CSV_TYPE if form is FileForm.CSV else XLSX_TYPE
    return StreamingResponse(
        in_background(_pieces(context, log_filter, group, form)), media_type=media_type, headers=headers
    )


def _count(tx: Transaction, log_filter: LogFilter, group: GroupBy | None) -> int:
    sums = reporting.payment_log_sums(tx, log_filter, group or GroupBy.METHOD)
    return len(sums) if group else sum(each.count for each in sums)


def _pieces(
    context: RequestContext, log_filter: LogFilter, group: GroupBy | None, form: FileForm
) -> Generator[bytes, None, None]:
    as_file = as_csv if form is FileForm.CSV else as_xlsx
    with context.snapshot_transaction() as tx:
        if group:
            sums = reporting.payment_log_sums(tx, log_filter, group)
            yield from as_file(log_sum_records(sums, group), payment_log_sums(group))
        else:
            yield from as_file(log_records(reporting.payment_log(tx, log_filter)), PAYMENT_LOG)
