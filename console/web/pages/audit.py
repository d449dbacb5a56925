"""The audit history: which user changed, exported or viewed what. For administrators."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from console.reports.audit import AUDIT, AuditParameters, ShownActions, audit_record
from console.web.auth import Administrator
from console.web.context import RequestContext
from console.web.exporting import Export, FileFormat, send_file
from console.web.filters import ReportQuery, report_query
from console.web.lists import read_list, select, view_list
from console.web.summaries import show_summary
from payments import audit_wording
from payments.access import administration, authentication
from payments.access.audit import SORTS as AUDIT_SORTS
from payments.access.audit import ActionKind, AuditFilter, AuditRow
from payments.core.sorting import Sort, Window
from payments.journeys.reporting import Summary
from payments.store.db.connection import Transaction
from payments.store.db.keyset import Page

router = APIRouter(include_in_schema=False)

PAGE_ROWS = 100
_KIND_BY_CHOICE = {
    ShownActions.CHANGES: ActionKind.CHANGE,
    ShownActions.ACCESS: ActionKind.READ,
    ShownActions.ALL: None,
}


AuditQuery = Annotated[ReportQuery[AuditParameters], Depends(report_query(AuditParameters))]


@router.get("/audit")
def show(query: AuditQuery, context: Administrator) -> Response:
    """Show a page of the audit history. The default order is newest first."""
    audit_filter = _audit_filter(query, context)
    with context.transaction() as tx:

        def read(window: Window, sort: Sort) -> Page[AuditRow]:
            return administration.audit_page(tx, context.user, audit_filter, window, sort)

        found = read_list(query, AUDIT, AUDIT_SORTS, read, PAGE_ROWS)
        actions = authentication.audited_actions(tx)
    return context.page(
        "audit.html",
        report=AUDIT,
        chosen=query.parameters,
        list=view_list(context, AUDIT, query, found),
        rows=[audit_record(each.row) for each in found.page.rows],
        actions={each: audit_wording.action(each) for each in actions},
    )


@router.get("/audit/summary")
def summary(query: AuditQuery, context: Administrator, *, exact: bool = False) -> Response:
    """Show the number of matching entries."""
    audit_filter = _audit_filter(query, context)

    def read(tx: Transaction, wanted: AuditFilter, limit: int | None) -> Summary:
        return administration.summarize_audit(tx, context.user, wanted, limit)

    return show_summary(context, AUDIT, read, audit_filter, exact=exact)


@router.get("/audit/export")
def export(query: AuditQuery, context: Administrator, form: FileFormat = FileFormat.CSV) -> Response:
    """Export the matching entries as a file."""
    audit_filter, sort = _audit_filter(query, context), AUDIT.sort_of(query.parameters)
    return send_file(
        context,
        Export(
            AUDIT,
            form,
            lambda tx: administration.summarize_audit(tx, context.user, audit_filter).count,
            lambda tx: (audit_record(row) for row in administration.stream_audit(tx, context.user, audit_filter, sort)),
            query.parameters.subject or "",
        ),
    )


def _audit_filter(query: ReportQuery[AuditParameters], context: RequestContext) -> AuditFilter:
    chosen, _ = select(context, query)
    since, until = context.day_bounds(chosen.since, chosen.until)
    return AuditFilter(
        who=chosen.who if chosen.who is None or ":" in chosen.who else f"user:{chosen.who}",
        action=chosen.action,
        subject=chosen.subject,
        since=since,
        until=until,
        # If the user filters by an action, show it even if it is a READ action.
        kind=None if chosen.action else _KIND_BY_CHOICE[chosen.show],
    )
