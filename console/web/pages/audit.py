"""The audit history: who changed, exported or viewed what. For administrators."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from console.reports.audit import AUDIT, AuditParameters
from console.web.auth import Administrator
from console.web.filters import ReportQuery, report_query, row_cursor
from payments.access import administration, authentication
from payments.access.authentication import AuditFilter

router = APIRouter(include_in_schema=False)

PAGE_ROWS = 100


@router.get("/audit")
def show(
    query: Annotated[ReportQuery[AuditParameters], Depends(report_query(AuditParameters))], context: Administrator
) -> Response:
    """Show a page of the audit history, newest first."""
    chosen = query.parameters
    audit_filter = AuditFilter(
        who=chosen.who if chosen.who is None or ":" in chosen.who else f"user:{chosen.who}",
        action=chosen.action,
        subject=chosen.subject,
        since=context.start_of(chosen.since),
        until=context.start_of(chosen.until, days_later=1),
        before=row_cursor(query.after) if query.after else None,
    )
    with context.transaction() as tx:
        rows = administration.read_audit(tx, context.user, audit_filter, PAGE_ROWS + 1)
        actions = authentication.audited_actions(tx)
    shown = rows[:PAGE_ROWS]
    return context.page(
        "audit.html",
        report=AUDIT,
        chosen=chosen,
        is_first=query.after is None,
        rows=shown,
        actions=actions,
        next_page=context.link(after=shown[-1].id) if len(rows) > PAGE_ROWS else None,
    )
