"""The pages of deposits: the list, the form for a new deposit, and the slip of a deposit, to print or to reverse."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Depends, Form, Query, Response
from pydantic import Field

from console.deposit_wording import made_message, reversed_message
from console.reports.deposits import (
    DEPOSIT_ENTRIES,
    DEPOSITS,
    UNDEPOSITED,
    DepositsParameters,
    deposit_records,
    entry_records,
)
from console.reports.papers import deposit_paper
from console.web import deposit_actions
from console.web.auth import Depositor, Viewer
from console.web.deposit_schemas import DepositFields, GivenReason
from console.web.filters import Day, PageQuery, ReportQuery, RowId, Text, report_query
from console.web.large_forms import LargeFormRoute
from console.web.pages.choices import list_offered_ids
from console.web.pdf_files import printed_by, send_pdf
from payments.contract.event import Method
from payments.contract.money import total
from payments.core.deposit import ENTRIES_MAX
from payments.journeys import deposits
from payments.journeys.choosing import ScopeChoice
from payments.journeys.deposits import FIRST_DAYS, DepositReversal, UndepositedFilter

router = APIRouter(include_in_schema=False, route_class=LargeFormRoute)

DepositsQuery = Annotated[ReportQuery[DepositsParameters], Depends(report_query(DepositsParameters, is_paged=False))]


class _NewDeposit(PageQuery):
    """The entries that a new deposit offers: those of a clinic with a method and these deposit dates."""

    clinic: Text | None = None
    method: Method = Method.CHECK
    since: Day | None = None
    until: Day | None = None
    company: Text | None = None


class _DepositForm(DepositFields, PageQuery):
    entry: Annotated[list[RowId], Field(default_factory=list)]


class _UndoingForm(PageQuery):
    reason: GivenReason
    day: Day | None = None


@router.get("/deposits")
def show_list(query: DepositsQuery, context: Viewer) -> Response:
    """Show the deposits of the user's clinics, the newest first."""
    chosen, scope = query.parameters, context.scope_of(query.choice)
    with context.transaction() as tx:
        offered = list_offered_ids(tx, context)
        rows = deposits.list_deposits(tx, chosen.to_filter(scope))
        context.audit(tx, "viewed deposits", chosen.clinic or "")
    return context.page(
        "deposits.html",
        report=DEPOSITS,
        chosen=chosen,
        offered=offered,
        rows=deposit_records(rows),
        total=total(row.total for row in rows),
        has_more=len(rows) == deposits.DEPOSITS_MAX,
    )


@router.get("/deposits/new")
def new(query: Annotated[_NewDeposit, Query()], context: Depositor) -> Response:
    """Show the entries that are on no deposit, and the form to deposit them. Without a clinic, show the filter."""
    with context.transaction() as tx:
        offered = list_offered_ids(tx, context)
    clinic = query.clinic or (offered.clinics[0] if len(offered.clinics) == 1 else None)
    scope = context.scope_of(ScopeChoice(query.company, clinic))
    until = query.until or context.today_in(scope)
    since = query.since or until - FIRST_DAYS
    with context.transaction() as tx:
        chosen = UndepositedFilter(since, until, query.method, scope)
        rows = deposits.list_undeposited(tx, chosen, ENTRIES_MAX) if clinic else []
        accounts = deposits.list_bank_accounts(tx, scope) if clinic else []
        context.audit(tx, "viewed entries to deposit", clinic or "")
    return context.page(
        "deposit_new.html",
        report=UNDEPOSITED,
        clinic=clinic,
        company=query.company,
        method=query.method,
        methods=list(Method),
        since=since,
        until=until,
        today=context.today_in(scope),
        offered=offered,
        accounts=accounts,
        rows=entry_records(rows),
        total=total(row.amount for row in rows),
        has_more=len(rows) == ENTRIES_MAX,
        request_key=uuid4().hex,
    )


@router.post("/deposits")
def make(form: Annotated[_DepositForm, Form()], context: Depositor) -> Response:
    """Make a deposit of the ticked entries. The key in the form makes a second click harmless."""
    slip = deposit_actions.make(context, form.draft_of(form.entry))
    return context.redirect(f"/deposits/{slip.deposit.id}", made_message(slip))


@router.get("/deposits/{deposit_id}")
def show(deposit_id: RowId, context: Viewer) -> Response:
    """Show the slip of a deposit."""
    with context.transaction() as tx:
        slip = deposit_actions.visible_slip(tx, context, deposit_id)
        context.audit(tx, "viewed deposit", f"deposit {deposit_id}", "", slip.deposit.company_id)
    (record,) = deposit_records([slip.deposit])
    is_current = slip.deposit.reversed_by is None and slip.deposit.reverses is None
    return context.page(
        "deposit.html",
        deposit=record,
        report=DEPOSIT_ENTRIES,
        rows=entry_records(slip.entries),
        may_reverse=is_current and context.may("make_deposits"),
        today=context.today_in(context.user.scope.narrowed_to_company(slip.deposit.company_id)),
        printed_at=context.now,
    )


@router.get("/deposits/{deposit_id}/pdf")
def show_pdf(deposit_id: RowId, context: Viewer) -> Response:
    """Send the slip of a deposit as a PDF file, to print."""
    with context.transaction() as tx:
        slip = deposit_actions.visible_slip(tx, context, deposit_id)
        context.audit(tx, "printed deposit", f"deposit {deposit_id}", "PDF", slip.deposit.company_id)
    return send_pdf(context, deposit_paper(slip, printed_by(context)))


@router.post("/deposits/{deposit_id}/reverse")
def reverse(deposit_id: RowId, form: Annotated[_UndoingForm, Form()], context: Depositor) -> Response:
    """Reverse a deposit."""
    slip = deposit_actions.reverse(context, DepositReversal(deposit_id, form.reason, form.day))
    return context.redirect(f"/deposits/{deposit_id}", reversed_message(slip))
