"""Refunds and returned payments: the list, the form for a new one, and the page of one with its decisions."""

from datetime import date
from typing import Annotated, Literal
from uuid import uuid4

from fastapi import APIRouter, Depends, Form, Query, Response
from pydantic import Field

from console.repayment_wording import KINDS, approved_message, issued_message, requested_message, voided_message
from console.reports.repayments import REPAYMENTS, RepaymentParameters, repayment_records
from console.web import refund_actions
from console.web.auth import EntryPoster, RefundApprover, Viewer
from console.web.context import RequestContext
from console.web.cursors import decode_window
from console.web.entry_schemas import Reference, RequestKey, RequiredReasonText
from console.web.filters import Amount, Day, PageQuery, ReportQuery, RowId, Text, report_query
from console.web.lists import page_links
from console.web.pages.choices import list_offered_ids
from console.web.refund_schemas import GivenReference
from payments.contract.event import Method
from payments.journeys import repaying
from payments.journeys.repaying import (
    Issue,
    RepaymentDraft,
    RepaymentKind,
    RepaymentRequest,
    RepaymentState,
    RepaymentTarget,
    Void,
)

router = APIRouter(include_in_schema=False)

PAGE_ROWS = 100


class _Target(PageQuery):
    """The money to pay back: that of a payment, of a manual entry, or the credit of an account."""

    payment: Text | None = None
    entry: RowId | None = None
    company: Text | None = None
    clinic: Text | None = None
    patient: Text | None = None

    def target(self) -> RepaymentTarget:
        return RepaymentTarget(self.payment, self.entry, self.company, self.clinic, self.patient)


class _RefundForm(_Target):
    request_key: RequestKey
    kind: RepaymentKind
    amount: Annotated[Amount, Field(title="Amount")]
    method: Method | None = None
    fee: Amount | None = None
    reference: Reference = ""
    reason: RequiredReasonText


class _IssueForm(PageQuery):
    reference: GivenReference
    deposit_date: Day | None = None
    another: Literal["on"] | None = None


class _VoidForm(PageQuery):
    reason: RequiredReasonText


@router.get("/refunds")
def show_list(
    query: Annotated[ReportQuery[RepaymentParameters], Depends(report_query(RepaymentParameters))],
    context: Viewer,
) -> Response:
    """Show a page of refunds and returned payments, newest first."""
    chosen = query.parameters
    scope = context.scope_of(query.choice)
    window = decode_window(query, repaying.SORTS["id"], PAGE_ROWS)
    with context.snapshot_transaction() as tx:
        page = repaying.read_page(tx, chosen.to_filter(scope), window)
        offered = list_offered_ids(tx, context)
        context.audit(tx, "viewed refunds", chosen.patient or "")
    return context.page(
        "refunds.html",
        report=REPAYMENTS,
        chosen=chosen,
        offered=offered,
        rows=repayment_records(each.row for each in page.rows),
        links=page_links(context, page),
        kinds=KINDS,
    )


@router.get("/refunds/new")
def new(query: Annotated[_Target, Query()], context: EntryPoster) -> Response:
    """Show the form for a new refund. It states the largest amount that may be paid back."""
    with context.transaction() as tx:
        offered = list_offered_ids(tx, context)
        if len(offered.companies) == 1:
            query = query.model_copy(update={"company": query.company or offered.companies[0]})
        if query.company:
            offered = list_offered_ids(tx, context, query.company)
    target = query.target()
    is_named = any((query.payment, query.entry, query.company and query.patient))
    with context.transaction() as tx:
        if is_named and target.payment is None and target.entry_id is None and target.clinic_id is None:
            target = target._replace(clinic_id=offered.clinics[0] if offered.clinics else None)
        available = repaying.find_available(tx, target, context.now, context.user.scope) if is_named else None
    kinds = KINDS if query.payment or query.entry else {"refund": KINDS["refund"]}
    return context.page(
        "refund_new.html",
        asked=query,
        is_named=is_named,
        is_credit=query.payment is None and query.entry is None,
        available=available,
        offered=offered,
        kinds=kinds,
        methods=list(Method),
        request_key=uuid4().hex,
    )


@router.post("/refunds")
def request(form: Annotated[_RefundForm, Form()], context: EntryPoster) -> Response:
    """Request a refund, or record a returned payment. The key in the form makes a second click harmless."""
    draft = RepaymentDraft(form.kind, form.amount, form.reason, form.method, form.fee)
    done = refund_actions.request(context, RepaymentRequest(form.request_key, draft, form.target(), form.reference))
    return context.redirect(f"/refunds/{done.stored.id}", requested_message(done))


@router.get("/refunds/{refund_id}")
def show(refund_id: RowId, context: Viewer) -> Response:
    """Show a refund, its decisions, and the decisions that the user may make."""
    with context.transaction() as tx:
        found = refund_actions.visible_refund(tx, context, refund_id)
        is_approval_missing = repaying.is_approval_missing(tx, found.stored)
        context.audit(tx, "viewed refund", f"refund {refund_id}", "", found.stored.place.company_id)
    (record,) = repayment_records([found])
    state, decisions = found.stored.decisions.state, found.stored.decisions
    is_waiting = state in {RepaymentState.REQUESTED, RepaymentState.APPROVED}
    is_own = repaying.may_be_same_person(decisions.requested_by, context.user.audit_name)
    return context.page(
        "refund.html",
        refund=record,
        kind=KINDS[found.stored.draft.kind],
        is_approval_missing=is_approval_missing,
        may_approve=context.may("approve_refunds") and not is_own and state is RepaymentState.REQUESTED,
        may_issue=context.may("post_entries") and is_waiting and not is_approval_missing,
        may_void=context.may("post_entries") and state is not RepaymentState.VOIDED,
        today=_today(context, found.stored.place.company_id),
    )


@router.post("/refunds/{refund_id}/approve")
def approve(refund_id: RowId, context: RefundApprover) -> Response:
    """Approve a refund that another person has requested."""
    done = refund_actions.approve(context, refund_id)
    return context.redirect(f"/refunds/{refund_id}", approved_message(done))


@router.post("/refunds/{refund_id}/issue")
def issue(refund_id: RowId, form: Annotated[_IssueForm, Form()], context: EntryPoster) -> Response:
    """Issue a refund."""
    asked = Issue(refund_id, form.reference, form.deposit_date, is_another=form.another == "on")
    return context.redirect(f"/refunds/{refund_id}", issued_message(refund_actions.issue(context, asked)))


@router.post("/refunds/{refund_id}/void")
def void(refund_id: RowId, form: Annotated[_VoidForm, Form()], context: EntryPoster) -> Response:
    """Void a refund."""
    done = refund_actions.void(context, Void(refund_id, form.reason))
    return context.redirect(f"/refunds/{refund_id}", voided_message(done))


def _today(context: RequestContext, company: str) -> date:
    return context.today_in(context.user.scope.narrowed_to_company(company))
