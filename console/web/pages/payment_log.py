"""The page of the Patient Payment Log: the entries of the ledger, filtered, grouped, and exported as a file."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from console.reports.payment_log import (
    PAYMENT_LOG,
    PaymentLogParameters,
    log_records,
    log_sum_records,
    payment_log_sums,
)
from console.web.auth import Exporter, Viewer
from console.web.exporting import Export, FileFormat, send_file, send_records
from console.web.filters import ReportQuery, report_query
from console.web.lists import read_list, select, view_list, view_whole_list
from console.web.newer_rows import show_newer
from console.web.pages.choices import list_offered_ids
from console.web.summaries import show_summary
from payments.contract.money import total
from payments.journeys import reporting
from payments.journeys.reporting import LOG_SORTS, Page, PaymentLogRow, Sort, Window
from payments.store.db.connection import Transaction

router = APIRouter(include_in_schema=False)

PAGE_ROWS = 50


LogQuery = Annotated[ReportQuery[PaymentLogParameters], Depends(report_query(PaymentLogParameters))]


@router.get("/payment-log")
def show(query: LogQuery, context: Viewer) -> Response:
    """Show a page of the log, or its sums if the user groups by a column."""
    chosen, scope = select(context, query)
    log_filter, group = chosen.to_filter(scope), chosen.group_by
    with context.transaction() as tx:

        def read(window: Window, sort: Sort) -> Page[PaymentLogRow]:
            return reporting.payment_log_page(tx, log_filter, window, sort)

        sums = reporting.payment_log_sums(tx, log_filter, group) if group else None
        found = None if group else read_list(query, PAYMENT_LOG, LOG_SORTS, read, PAGE_ROWS)
        offered = list_offered_ids(tx, context)
        context.audit(tx, "viewed Patient Payment Log", chosen.patient or "", context.request.url.query)
    report = payment_log_sums(group) if group else PAYMENT_LOG
    return context.page(
        "payment_log.html",
        report=report,
        chosen=query.parameters,
        list=view_list(context, PAYMENT_LOG, query, found) if found else view_whole_list(context, report, query),
        rows=[each.row for each in found.page.rows] if found else [],
        sums=sums,
        total=total(each.total for each in sums) if sums is not None else None,
        count=sum(each.count for each in sums) if sums is not None else 0,
        offered=offered,
    )


@router.get("/payment-log/summary")
def summary(query: LogQuery, context: Viewer, *, exact: bool = False) -> Response:
    """Show the number and the sum of the matching rows."""
    chosen, scope = select(context, query)
    log_filter = chosen.to_filter(scope)
    return show_summary(context, PAYMENT_LOG, reporting.payment_log_summary, log_filter, exact=exact)


@router.get("/payment-log/newer")
def newer(query: LogQuery, context: Viewer) -> Response:
    """Show how many rows were added since the page was read."""
    chosen, scope = select(context, query)
    log_filter = chosen.to_filter(scope)

    def count(tx: Transaction, window: Window, sort: Sort) -> int:
        return reporting.count_entries(tx, log_filter, window, sort)

    return show_newer(context, PAYMENT_LOG, query, LOG_SORTS, count)


@router.get("/payment-log/export")
def export(query: LogQuery, context: Exporter, form: FileFormat = FileFormat.CSV) -> Response:
    """Export the selected entries, or their sums, as a file."""
    chosen, scope = select(context, query)
    log_filter, group = chosen.to_filter(scope), chosen.group_by
    if group:
        with context.transaction() as tx:
            sums = log_sum_records(reporting.payment_log_sums(tx, log_filter, group), group)
        return send_records(context, payment_log_sums(group), form, sums, chosen.patient or "")
    sort = PAYMENT_LOG.sort_of(chosen)
    return send_file(
        context,
        Export(
            PAYMENT_LOG,
            form,
            lambda tx: reporting.payment_log_summary(tx, log_filter).count,
            lambda tx: log_records(reporting.payment_log(tx, log_filter, sort)),
            chosen.patient or "",
        ),
    )
