"""The audit history: who changed, exported or viewed what. For administrators."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from console.web.auth import Administrator
from console.web.filters import Day, Filter, Text
from payments.access import authentication
from payments.access.authentication import AuditFilter

router = APIRouter(include_in_schema=False)

PAGE_ROWS = 100


class _Choice(Filter):
    who: Text | None = None
    action: Text | None = None
    subject: Text | None = None
    since: Day | None = None
    until: Day | None = None
    before: Annotated[int, Field(ge=0, le=2**62)] | None = None


@router.get("/audit")
def show(choice: Annotated[_Choice, Query()], context: Administrator) -> Response:
    """Show a page of the audit history, newest first."""
    who = choice.who if choice.who is None or ":" in choice.who else f"user:{choice.who}"
    days = {"since": context.start_of(choice.since), "until": context.start_of(choice.until, days_later=1)}
    query = AuditFilter(**choice.model_dump() | {"who": who} | days)
    with context.app.transaction() as tx:
        rows = authentication.read_audit(tx, query, PAGE_ROWS + 1)
        actions = authentication.audited_actions(tx)
    shown = rows[:PAGE_ROWS]
    next_page = context.link(before=shown[-1].id) if len(rows) > PAGE_ROWS else None
    return context.page("audit.html", rows=shown, choice=choice, actions=actions, next_page=next_page)
