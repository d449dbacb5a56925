"""Transfers between accounts: the list, the form for a new one, and the page of one with the action to undo it."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Depends, Form, Query, Response

from console.reports.transfers import TRANSFERS, TransferParameters, transfer_records
from console.transfer_wording import made_message, undone_message
from console.web import transfer_actions
from console.web.auth import EntryPoster, Viewer
from console.web.cursors import decode_window
from console.web.entry_schemas import RequiredReasonText
from console.web.filters import PageQuery, ReportQuery, RowId, Text, report_query
from console.web.lists import page_links
from console.web.pages.choices import list_offered_ids
from console.web.transfer_schemas import TransferFields
from payments.journeys import transferring
from payments.journeys.transferring import RepaymentTarget, TransferState, Undo

router = APIRouter(include_in_schema=False)

PAGE_ROWS = 100


class _Source(PageQuery):
    """The money to move: that of a payment, of a manual entry, or the credit of an account."""

    payment: Text | None = None
    entry: RowId | None = None
    company: Text | None = None
    clinic: Text | None = None
    patient: Text | None = None


class _TransferForm(TransferFields, PageQuery):
    """The fields of the form."""


class _UndoForm(PageQuery):
    reason: RequiredReasonText


@router.get("/transfers")
def show_list(
    query: Annotated[ReportQuery[TransferParameters], Depends(report_query(TransferParameters))],
    context: Viewer,
) -> Response:
    """Show a page of transfers, newest first."""
    chosen = query.parameters
    scope = context.scope_of(query.choice)
    window = decode_window(query, transferring.SORTS["id"], PAGE_ROWS)
    with context.snapshot_transaction() as tx:
        page = transferring.read_page(tx, chosen.to_filter(scope), window)
        offered = list_offered_ids(tx, context)
        context.audit(tx, "viewed transfers", chosen.patient or "")
    return context.page(
        "transfers.html",
        report=TRANSFERS,
        chosen=chosen,
        offered=offered,
        rows=transfer_records(each.row for each in page.rows),
        links=page_links(context, page),
    )


@router.get("/transfers/new")
def new(query: Annotated[_Source, Query()], context: EntryPoster) -> Response:
    """Show the form for a new transfer. It states the largest amount that can be moved."""
    with context.transaction() as tx:
        offered = list_offered_ids(tx, context)
        if len(offered.companies) == 1:
            query = query.model_copy(update={"company": query.company or offered.companies[0]})
        if query.company:
            offered = list_offered_ids(tx, context, query.company)
    is_named = bool(query.payment or query.entry or (query.company and query.patient))
    clinic = query.clinic or (offered.clinics[0] if offered.clinics else None)
    source = RepaymentTarget(query.payment, query.entry, query.company, clinic, query.patient)
    with context.transaction() as tx:
        available = transferring.find_available(tx, source, context.now, context.user.scope) if is_named else None
    return context.page(
        "transfer_new.html",
        asked=query,
        available=available,
        offered=offered,
        request_key=uuid4().hex,
    )


@router.post("/transfers")
def make(form: Annotated[_TransferForm, Form()], context: EntryPoster) -> Response:
    """Move money to another account. With the request key of the form, a second click moves nothing."""
    done = transfer_actions.make(context, form.request())
    return context.redirect(f"/transfers/{done.stored.id}", made_message(done))


@router.get("/transfers/{transfer_id}")
def show(transfer_id: RowId, context: Viewer) -> Response:
    """Show a transfer, and the action to undo it."""
    with context.transaction() as tx:
        found = transfer_actions.visible_transfer(tx, context, transfer_id)
        context.audit(tx, "viewed transfer", f"transfer {transfer_id}", "", found.stored.company_id)
    (record,) = transfer_records([found])
    is_posted = found.stored.state is TransferState.POSTED
    may_undo = context.may("post_entries") and is_posted
    return context.page("transfer.html", transfer=record, is_posted=is_posted, may_undo=may_undo)


@router.post("/transfers/{transfer_id}/undo")
def undo(transfer_id: RowId, form: Annotated[_UndoForm, Form()], context: EntryPoster) -> Response:
    """Undo a transfer."""
    done = transfer_actions.undo(context, Undo(transfer_id, form.reason))
    return context.redirect(f"/transfers/{transfer_id}", undone_message(done))
