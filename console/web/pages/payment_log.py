"""The Patient Payment Log: every entry of the ledger, filtered, grouped, and exported as a file."""

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Response

from console.reports import layouts
from console.reports.exports import CSV_TYPE, XLSX_TYPE, as_csv, as_xlsx
from console.reports.layout import Layout
from console.reports.output import Record
from console.web.auth import Exporter, Viewer
from console.web.context import RequestContext
from console.web.filters import LogChoice
from console.web.pages.choices import clinic_names
from payments.contract.event import ChargeType, Method
from payments.contract.money import total
from payments.journeys import reporting
from payments.journeys.reporting import GroupBy
from payments.store.db.connection import Transaction

router = APIRouter(include_in_schema=False)

PAGE_ROWS = 50


class FileForm(StrEnum):
    """The format of an exported file."""

    CSV = "csv"
    XLSX = "xlsx"


class _Export(LogChoice):
    form: FileForm = FileForm.CSV


@router.get("/payment-log")
def show(choice: Annotated[LogChoice, Query()], context: Viewer) -> Response:
    """Show a page of the log, or its sums."""
    query = choice.query(context.user)
    with context.app.transaction() as tx:
        sums = reporting.payment_log_sums(tx, query, choice.group_by) if choice.group_by else None
        page = None if choice.group_by else reporting.payment_log_page(tx, query, choice.place(), PAGE_ROWS)
        names = clinic_names(tx, context)
        context.audit(tx, "viewed Patient Payment Log", choice.patient or "", context.request.url.query)
    last = page.rows[-1] if page and page.has_more else None
    return context.page(
        "payment_log.html",
        choice=choice,
        rows=[each.row for each in page.rows] if page else [],
        sums=sums,
        total=total(each.total for each in sums) if sums is not None else None,
        count=sum(each.count for each in sums) if sums is not None else 0,
        next_page=context.link(after=f"{last.cursor.deposit_date}.{last.cursor.id}") if last else None,
        clinics=names,
        charge_types=list(ChargeType),
        methods=list(Method),
        groups=list(GroupBy),
        query_string=context.link(after=None).partition("?")[2],
    )


@router.get("/payment-log/export")
def export(choice: Annotated[_Export, Query()], context: Exporter) -> Response:
    """Export the selected entries as a file; the export is recorded in the audit history."""
    with context.app.transaction() as tx:
        records, layout = _records(tx, choice, context)
        rows = f"{len(records):,} rows as {choice.form}; {context.request.url.query}"
        context.audit(tx, "exported Patient Payment Log", choice.patient or "", rows)
    name = f"payment-log-{context.now:%Y-%m-%d}.{choice.form}"
    is_csv = choice.form is FileForm.CSV
    body = (as_csv if is_csv else as_xlsx)(records, layout)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body, media_type=CSV_TYPE if is_csv else XLSX_TYPE, headers=headers)


def _records(tx: Transaction, choice: LogChoice, context: RequestContext) -> tuple[list[Record], Layout]:
    query = choice.query(context.user)
    if choice.group_by:
        group = choice.group_by.value
        sums = reporting.payment_log_sums(tx, query, choice.group_by)
        return [{group: each.key, "count": each.count, "total": each.total} for each in sums], layouts.log_sums(group)
    return [row._asdict() for row in reporting.payment_log_export(tx, query)], layouts.LOG
