"""Billing Exceptions: the differences between Billing and the EMR that a biller accepts or acknowledges."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Form, Response
from pydantic import Field

from console.reports.exceptions import EXCEPTIONS, ExceptionsParameters, exception_records
from console.web.auth import Editor, Exporter, Viewer
from console.web.errors import PageError, capitalized
from console.web.exception_actions import accept_if_unchanged, accepted_message, acknowledge_if_unchanged
from console.web.exporting import Export, FileForm, send_file
from console.web.filters import Day, ReportQuery, RowId, report_query
from console.web.forms import ReturnForm
from console.web.large_forms import LargeFormRoute
from console.web.lists import read_list, select, view_list
from console.web.newer_rows import show_newer
from console.web.pages.choices import list_offered_ids
from console.web.summaries import show_summary
from payments.access.rights import Right
from payments.core.finding import DecisionError, FindingReason
from payments.journeys import adjusting, reporting
from payments.journeys.adjusting import SeenException
from payments.journeys.reporting import EXCEPTION_SORTS, ExceptionRow, Page, Sort, Window
from payments.store.db.connection import Transaction

_NEXT_STEPS = {
    FindingReason.PATIENT_NOT_FOUND.value: "Save the patient in the EMR.",
    FindingReason.VERSION_CONFLICT.value: "Save the payment again in the EMR.",
}

router = APIRouter(include_in_schema=False, route_class=LargeFormRoute)

PAGE_ROWS = 25
_PROBLEMS_SHOWN = 3
log = structlog.get_logger()

_SEEN_FORM = r"^[1-9][0-9]{0,17}\.[1-9][0-9]{0,17}$"


class _AcceptForm(ReturnForm):
    version: RowId
    deposit_date: Day | None = None


class _AcknowledgeForm(ReturnForm):
    version: RowId
    reason: Annotated[str, Field(max_length=500)] = ""


class _BulkAcceptForm(ReturnForm):
    """The selected exceptions, each as its id and the version that was shown: `17.2`."""

    exception: list[Annotated[str, Field(pattern=_SEEN_FORM)]] = Field(default_factory=list)
    deposit_date: Day | None = None

    def selected(self) -> list[SeenException]:
        """Return the selected exceptions."""
        pairs = [text.split(".") for text in self.exception]
        return [SeenException(finding_id=int(id_), version=int(version)) for id_, version in pairs]


ExceptionsQuery = Annotated[ReportQuery[ExceptionsParameters], Depends(report_query(ExceptionsParameters))]


@router.get("/exceptions")
def show(query: ExceptionsQuery, context: Viewer) -> Response:
    """Show a page of exceptions, by default the oldest first."""
    chosen, scope = select(context, query)
    exception_filter = chosen.query(scope)
    with context.snapshot_transaction() as tx:

        def read(window: Window, sort: Sort) -> Page[ExceptionRow]:
            return reporting.exceptions_page(tx, exception_filter, window, sort)

        found = read_list(query, EXCEPTIONS, EXCEPTION_SORTS, read, PAGE_ROWS)
        rows = [each.row for each in found.page.rows]
        counts = reporting.exception_counts(tx, exception_filter)
        deposit_dates = adjusting.default_deposit_dates(tx, {row.company for row in rows}, context.now)
        offered = list_offered_ids(tx, context)
        context.audit(tx, "viewed Billing Exceptions", chosen.patient or "", context.request.url.query)
    return context.page(
        "exceptions.html",
        report=EXCEPTIONS,
        chosen=query.parameters,
        list=view_list(context, EXCEPTIONS, query, found),
        rows=rows,
        counts=counts,
        total=sum(each.count for each in counts),
        offered=offered,
        may_edit=context.may(Right.EDIT) and chosen.as_of is None,
        accepts={reason.value for reason in FindingReason if reason.can_be_accepted},
        next_steps=_NEXT_STEPS,
        deposit_dates=deposit_dates,
    )


@router.get("/exceptions/summary")
def summary(query: ExceptionsQuery, context: Viewer, *, exact: bool = False) -> Response:
    """Show the number of rows that match, and their sum."""
    chosen, scope = select(context, query)
    exception_filter = chosen.query(scope)
    return show_summary(context, EXCEPTIONS, reporting.exceptions_summary, exception_filter, exact=exact)


@router.get("/exceptions/newer")
def newer(query: ExceptionsQuery, context: Viewer) -> Response:
    """Show how many rows were added since the page was read."""
    chosen, scope = select(context, query)
    exception_filter = chosen.query(scope)

    def count(tx: Transaction, window: Window, sort: Sort) -> int:
        return reporting.count_exceptions(tx, exception_filter, window, sort)

    return show_newer(context, EXCEPTIONS, query, EXCEPTION_SORTS, count)


@router.get("/exceptions/export")
def export(query: ExceptionsQuery, context: Exporter, form: FileForm = FileForm.CSV) -> Response:
    """Export the exceptions that match as a file."""
    chosen, scope = select(context, query)
    exception_filter, sort = chosen.query(scope), EXCEPTIONS.sort_of(chosen)
    return send_file(
        context,
        Export(
            EXCEPTIONS,
            form,
            lambda tx: reporting.exceptions_summary(tx, exception_filter).count,
            lambda tx: exception_records(reporting.exceptions(tx, exception_filter, sort)),
            chosen.patient or "",
        ),
    )


@router.post("/exceptions/{exception_id}/accept")
def accept(exception_id: RowId, form: Annotated[_AcceptForm, Form()], context: Editor) -> Response:
    """Accept one exception: post the entries that the page showed."""
    seen = SeenException(finding_id=exception_id, version=form.version)
    accepted = accept_if_unchanged(context, seen, form.deposit_date)
    return context.redirect(form.return_to("/exceptions"), accepted_message(exception_id, accepted))


@router.post("/exceptions/{exception_id}/acknowledge")
def acknowledge(exception_id: RowId, form: Annotated[_AcknowledgeForm, Form()], context: Editor) -> Response:
    """Acknowledge one exception: close it without posting anything."""
    seen = SeenException(finding_id=exception_id, version=form.version)
    payment = acknowledge_if_unchanged(context, seen, form.reason)
    message = f"Exception {exception_id} of {payment} acknowledged. Nothing was posted."
    return context.redirect(form.return_to("/exceptions"), message)


@router.post("/exceptions/accept")
def accept_selected(form: Annotated[_BulkAcceptForm, Form()], context: Editor) -> Response:
    """Accept the selected exceptions, each in a separate transaction. Exceptions that have changed stay open.

    Raises PageError (503), with the results so far, if an unexpected error interrupts the request.
    """
    selected = form.selected()
    if not selected:
        raise PageError(422, "No exceptions are selected.", "Go back and select the exceptions to accept.")
    results = BulkResults(len(selected))
    for seen in selected:
        try:
            accept_if_unchanged(context, seen, form.deposit_date)
        except (DecisionError, PageError) as error:
            results.problems[seen.finding_id] = capitalized(f"{error}".removesuffix(".") + ".")
        except Exception as error:
            results.interrupted_at = seen.finding_id
            results.untried = [each.finding_id for each in selected[results.tried :]]
            log.exception("bulk_accept_interrupted", finding_id=seen.finding_id)
            raise PageError(
                503, results.sentence(), "Reload Billing Exceptions and check before you repeat."
            ) from error
        else:
            results.accepted.append(seen.finding_id)
    return context.redirect(form.return_to("/exceptions"), results.sentence())


@dataclass
class BulkResults:
    """The result of each selected exception, by id. Each exception was accepted in a separate transaction."""

    count: int
    accepted: list[int] = field(default_factory=list)
    problems: dict[int, str] = field(default_factory=dict)
    interrupted_at: int | None = None
    untried: Sequence[int] = ()

    @property
    def tried(self) -> int:
        """The number of exceptions that were tried, including one whose error interrupted the request."""
        return len(self.accepted) + len(self.problems) + (self.interrupted_at is not None)

    def sentence(self) -> str:
        """Return the message for the user: the results, and the reasons why the first few exceptions stay open."""
        noun = "exception" if self.count == 1 else "exceptions"
        parts = [f"{len(self.accepted)} of {self.count} {noun} accepted{_id_list(': ', self.accepted)}."]
        parts += [*self.problems.values()][:_PROBLEMS_SHOWN]
        if hidden := [*self.problems][_PROBLEMS_SHOWN:]:
            parts.append(f"Also not accepted{_id_list(': ', hidden)}.")
        if self.interrupted_at is not None:
            parts.append(f"An error interrupted exception {self.interrupted_at}; it may have been accepted.")
        if self.untried:
            parts.append(f"Not tried{_id_list(': ', self.untried)}.")
        return " ".join(parts)


def _id_list(before: str, ids: Sequence[int]) -> str:
    return before + ", ".join(map(str, ids)) if ids else ""
