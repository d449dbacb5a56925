"""The pages of manual entries: a form for a new entry, and the page of an entry with its link and its reversal."""

from datetime import date
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Form, Query, Response

from console.manual_entry_wording import linked_message, posted_message, reversed_message, unlinked_message
from console.repayment_wording import KINDS
from console.reports.manual_entries import MANUAL_ENTRIES, manual_entry_records
from console.web import entry_actions, exception_actions
from console.web.auth import EntryPoster, Viewer
from console.web.context import RequestContext
from console.web.entry_schemas import EntryFields, RequiredReasonText
from console.web.filters import Day, PageQuery, RowId, Text
from console.web.pages.choices import list_offered_ids
from payments.contract.event import ChargeType, Method
from payments.contract.money import ZERO
from payments.core.finding import FindingReason, FindingStatus
from payments.journeys import repaying, reporting, transferring
from payments.journeys.linking import LinkRequest, UnlinkRequest
from payments.journeys.manual_entries import (
    EntryPurpose,
    EntryRequest,
    LinkTarget,
    PostedEntry,
    ReversalRequest,
)
from payments.journeys.reporting import ExceptionFilter, ExceptionRow
from payments.store.db.connection import Transaction

router = APIRouter(include_in_schema=False)

PURPOSES = {
    EntryPurpose.PAYMENT: "Payment",
    EntryPurpose.ADJUSTMENT: "Adjustment",
    EntryPurpose.ERROR_CORRECTION: "Error correction",
}


_NAMES = PURPOSES | {EntryPurpose(kind): name for kind, name in KINDS.items()} | {EntryPurpose.TRANSFER: "Transfer"}


class _NewEntry(PageQuery):
    """The target of a new entry: the account of a patient, or an exception."""

    company: Text | None = None
    patient: Text | None = None
    exception: RowId | None = None


class _EntryForm(EntryFields, PageQuery):
    """The fields of a new entry. A field that the user did not fill in is empty."""

    charge_type: ChargeType
    deposit_date: Day

    def request(self) -> EntryRequest:
        return self.request_for(LinkTarget(self.exception) if self.exception else None)


class _ReversalForm(PageQuery):
    reason: RequiredReasonText
    deposit_date: Day | None = None


class _LinkForm(PageQuery):
    exception: RowId


class _UnlinkForm(PageQuery):
    reason: RequiredReasonText


@router.get("/entries/new")
def new(query: Annotated[_NewEntry, Query()], context: EntryPoster) -> Response:
    """Show the form for a new manual entry."""
    with context.transaction() as tx:
        offered = list_offered_ids(tx, context)
        row = exception_actions.visible_exception(tx, context, query.exception) if query.exception else None
    company = row.company if row else query.company or (offered.companies[0] if len(offered.companies) == 1 else None)
    return context.page(
        "manual_entry_new.html",
        row=row,
        is_settled=row is not None and not can_be_posted_by_hand(row),
        company=company,
        patient=row.patient if row else query.patient,
        offered=offered,
        purposes=PURPOSES,
        methods=list(Method),
        charge_types=list(ChargeType),
        today=_today(context, company),
        request_key=uuid4().hex,
    )


@router.post("/entries")
def post(form: Annotated[_EntryForm, Form()], context: EntryPoster) -> Response:
    """Post a manual entry. The key in the form makes a second click harmless."""
    posted = entry_actions.post(context, form.request())
    return context.redirect(f"/entries/{posted.entry.id}", posted_message(posted))


@router.get("/entries/{entry_id}")
def show(entry_id: RowId, context: Viewer) -> Response:
    """Show a manual entry, and the actions that a biller can perform on it."""
    with context.transaction() as tx:
        posted = entry_actions.visible_entry(tx, context, entry_id)
        entry, content, first = posted.entry, posted.entry.content, posted.entry.reverses or posted.entry.id
        is_by_hand, is_transfer = content.purpose.is_by_hand, content.purpose is EntryPurpose.TRANSFER
        transfer = transferring.id_of_entry(tx, content.company_id, first) if is_transfer else None
        refund = None if is_by_hand or is_transfer else repaying.id_of_entry(tx, content.company_id, first)
        may_use = context.may("post_entries") and entry.reversed_by is None and entry.reverses is None
        may_change = may_use and is_by_hand
        open_exceptions = _open_exceptions(tx, context, posted) if may_change and not posted.payment else []
        context.audit(tx, "viewed manual entry", f"entry {entry_id}", "", posted.entry.content.company_id)
    (record,) = manual_entry_records([posted])
    return context.page(
        "manual_entry.html",
        report=MANUAL_ENTRIES,
        entry=record,
        refund=refund,
        transfer=transfer,
        may_take=may_use and content.amount > ZERO and (is_by_hand or is_transfer),
        purposes=_NAMES,
        may_change=may_change,
        open_exceptions=open_exceptions,
        today=_today(context, posted.entry.content.company_id),
    )


@router.post("/entries/{entry_id}/reverse")
def reverse(entry_id: RowId, form: Annotated[_ReversalForm, Form()], context: EntryPoster) -> Response:
    """Reverse a manual entry."""
    done = entry_actions.reverse(context, ReversalRequest(entry_id, form.reason, form.deposit_date))
    return context.redirect(f"/entries/{entry_id}", reversed_message(done))


@router.post("/entries/{entry_id}/link")
def link(entry_id: RowId, form: Annotated[_LinkForm, Form()], context: EntryPoster) -> Response:
    """Link a manual entry to the payment of an exception."""
    done = entry_actions.link(context, LinkRequest(entry_id, LinkTarget(form.exception)))
    return context.redirect(f"/entries/{entry_id}", linked_message(entry_id, done))


@router.post("/entries/{entry_id}/unlink")
def unlink(entry_id: RowId, form: Annotated[_UnlinkForm, Form()], context: EntryPoster) -> Response:
    """End the link of a manual entry to a payment."""
    done = entry_actions.unlink(context, UnlinkRequest(entry_id, form.reason))
    return context.redirect(f"/entries/{entry_id}", unlinked_message(entry_id, done))


def can_be_posted_by_hand(row: ExceptionRow) -> bool:
    """Return whether a manual entry can be posted for this exception: one of a closed month, open or acknowledged."""
    return row.reason == FindingReason.CLOSED_MONTH and row.status in {FindingStatus.OPEN, FindingStatus.ACKNOWLEDGED}


def _today(context: RequestContext, company: str | None) -> date:
    return context.today_in(context.user.scope.narrowed_to_company(company))


def _open_exceptions(tx: Transaction, context: RequestContext, posted: PostedEntry) -> list[ExceptionRow]:
    """Return the exceptions to link an entry to: those of its patient and clinic that are open, of closed months."""
    content = posted.entry.content
    scope = context.user.scope.narrowed_to_company(content.company_id)
    chosen = ExceptionFilter(reason=FindingReason.CLOSED_MONTH, patient=content.patient_id, scope=scope)
    return [each for each in reporting.exceptions(tx, chosen) if each.clinic == content.clinic_id]
