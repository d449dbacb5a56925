"""The Patient Payment Log: every entry of the ledger, filtered, grouped, and exported as a file."""

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from console.reports.definition import Report
from console.reports.exports import CSV_TYPE, XLSX_TYPE, as_csv, as_xlsx
from console.reports.output import Record
from console.reports.payment_log import (
    PAYMENT_LOG,
    PaymentLogParameters,
    log_records,
    log_sum_records,
    payment_log_sums,
)
from console.web.auth import Exporter, Viewer
from console.web.context import RequestContext
from console.web.filters import ReportQuery, encode_log_cursor, payment_log_cursor, report_query
from console.web.pages.choices import clinic_names
from payments.contract.money import total
from payments.journeys import reporting
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
    log_filter, group = chosen.query(query.clinics(context.user)), chosen.group_by
    with context.app.transaction() as tx:
        sums = reporting.payment_log_sums(tx, log_filter, group) if group else None
        page = None if group else reporting.payment_log_page(tx, log_filter, payment_log_cursor(query.after), PAGE_ROWS)
        names = clinic_names(tx, context)
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
        clinics=names,
        query_string=context.link(after=None).partition("?")[2],
    )


@router.get("/payment-log/export")
def export(query: LogQuery, context: Exporter, form: FileForm = FileForm.CSV) -> Response:
    """Export the selected entries as a file; the export is recorded in the audit history."""
    with context.app.transaction() as tx:
        records, report = _records(tx, query, context)
        rows = f"{len(records):,} rows as {form}; {context.request.url.query}"
        context.audit(tx, "exported Patient Payment Log", query.parameters.patient or "", rows)
    name = f"payment-log-{context.now:%Y-%m-%d}.{form}"
    is_csv = form is FileForm.CSV
    body = (as_csv if is_csv else as_xlsx)(records, report)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body, media_type=CSV_TYPE if is_csv else XLSX_TYPE, headers=headers)


def _records(tx: Transaction, query: LogQuery, context: RequestContext) -> tuple[list[Record], Report]:
    log_filter, group = query.parameters.query(query.clinics(context.user)), query.parameters.group_by
    if group:
        return log_sum_records(reporting.payment_log_sums(tx, log_filter, group), group), payment_log_sums(group)
    return log_records(reporting.payment_log_export(tx, log_filter)), PAYMENT_LOG
