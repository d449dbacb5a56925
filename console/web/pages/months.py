"""The page of the months: show their states and the payments to resolve, and schedule, cancel or close a month."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import structlog
from fastapi import APIRouter, Form, Query, Response

from console import recorded_actions
from console.recorded_actions import CompanyMonth
from console.reports.months import CLOSE_WARNINGS, MONTHS, month_records, warning_records
from console.reports.output import Record
from console.web.auth import Editor, Exporter, Viewer
from console.web.context import RequestContext
from console.web.errors import PageError, capitalized
from console.web.exporting import FileFormat, send_records
from console.web.filters import PageQuery, Text
from console.web.rendering import url
from console.web.short_lists import short_list
from payments.contract.money import Money, total
from payments.core.close import MonthSum
from payments.core.month import Month, MonthState
from payments.journeys import closing, configuring
from payments.journeys.closing import CloseWarning, ClosingError, Snapshot

log = structlog.get_logger()

router = APIRouter(include_in_schema=False)


class _MonthsQuery(PageQuery):
    company: Text | None = None
    month: Text | None = None
    sort: Text | None = None


class _MonthForm(PageQuery):
    company: Text = ""
    month: Text = ""


class _CloseForm(_MonthForm):
    confirm: str = ""


@router.get("/months")
def show(choice: Annotated[_MonthsQuery, Query()], context: Viewer) -> Response:
    """Show a company's months. Also show the totals of the selected month, and the payments to resolve."""
    check_sees_company(context, choice.company)
    with context.transaction() as tx:
        settings = {each.company: each for each in configuring.list_companies(tx, context.user.scope)}
        companies = list(settings)
        company = choice.company or (companies[0] if companies else None)
        months = closing.list_months(tx, company) if company else []
        # By default the next month to close is selected.
        name = choice.month or next((row.month for row in months if row.state is not MonthState.CLOSED), None)
        selected = _parse_month(name) if company and name else None
        state = closing.month_state(tx, company, selected) if company and selected else MonthState.OPEN
    newest_first = list(reversed(months))
    found = short_list(context, MONTHS, choice.sort, newest_first, month_records(newest_first))
    return context.page(
        "months.html",
        report=MONTHS,
        list=found.view,
        warnings=CLOSE_WARNINGS,
        companies=companies,
        company=company,
        months=found.rows,
        selected=str(selected) if selected else None,
        state=state,
        settings=settings.get(company or ""),
        close=_read_month_details(context, company, selected) if company and selected else None,
    )


@router.get("/months/export")
def export(choice: Annotated[_MonthsQuery, Query()], context: Exporter, form: FileFormat = FileFormat.CSV) -> Response:
    """Export a company's months as a file."""
    check_sees_company(context, choice.company)
    with context.transaction() as tx:
        companies = configuring.list_companies(tx, context.user.scope)
        company = choice.company or (companies[0].company if companies else "")
        months = list(reversed(closing.list_months(tx, company)))
    found = short_list(context, MONTHS, choice.sort, months, month_records(months))
    return send_records(context, MONTHS, form, found.records, company)


@router.post("/months/schedule")
def schedule(form: Annotated[_MonthForm, Form()], context: Editor) -> Response:
    """Schedule a month to be closed in the coming night."""
    company, month = _read_month(form, context)
    with context.transaction() as tx:
        found = recorded_actions.schedule_close(tx, context.actor, CompanyMonth(company, month))
    warnings = _visible_warnings(context, found)
    open_items = f" Payments to resolve before closing: {len(warnings)}." if warnings else ""
    message = f"{company} {month} closes tonight. You can cancel until then.{open_items}"
    return _redirect(context, company, month, message)


@router.post("/months/cancel")
def cancel(form: Annotated[_MonthForm, Form()], context: Editor) -> Response:
    """Cancel the closing of a scheduled month."""
    company, month = _read_month(form, context)
    with context.transaction() as tx:
        recorded_actions.cancel_close(tx, context.actor, CompanyMonth(company, month))
    return _redirect(context, company, month, f"Closing of {company} {month} cancelled. The month is open.")


@router.post("/months/close")
def close(form: Annotated[_CloseForm, Form()], context: Editor) -> Response:
    """Close a month now.

    Raises PageError (422) if the user did not type the name of the month, and PageError (503) after an interruption.
    """
    company, month = _read_month(form, context)
    if form.confirm != str(month):
        raise PageError(422, f"{company} {month} was not closed.", f"Go back and type {month} to confirm.")
    snapshot = _close_now(context, company, month)
    message = f"{company} {month} closed. Payments total: {snapshot.payments_total:,}."
    return _redirect(context, company, month, message)


def _close_now(context: RequestContext, company: str, month: Month) -> Snapshot:
    """Close a month in two transactions, and record the user who closed it.

    Raises ClosingError if the month must not be closed, and PageError (503) if another error interrupts the close.
    """
    try:
        with context.transaction() as tx:
            closing.begin_close(tx, company, month, context.now, context.user.audit_name)
        # Imports that held locks on the month have committed, so no entry of the month is later than its close.
        with context.transaction() as tx:
            closed = CompanyMonth(company, month)
            snapshot = recorded_actions.finish_close(tx, context.actor, closed, context.app.clock())
    except ClosingError:
        raise
    except Exception as error:
        log.exception("close_interrupted", company_id=company, month=str(month))
        step = "Reload Months. If it is closing, the close is finished within minutes; if it is open, close it again."
        raise PageError(503, f"An error interrupted the close of {company} {month}.", step) from error
    return snapshot


def check_sees_company(context: RequestContext, company: str | None) -> None:
    """Check that the user may see all of a company. If `company` is None, nothing is checked.

    Raises PageError (404) if the company is not one of the user's companies. Raises PageError (403) if the user is
    limited to clinics, because a month belongs to a whole company.
    """
    scope = context.user.scope
    if scope.clinics is not None:
        raise PageError(
            403,
            "Months belong to whole companies; your account is limited to clinics.",
            "Ask a biller who sees all clinics.",
        )
    if company is not None and not scope.may_see_company(company):
        raise PageError(404, f"There is no company {company}.", "Choose a company on the Months page.")


def _visible_warnings(context: RequestContext, warnings: Sequence[CloseWarning]) -> list[CloseWarning]:
    """Return the warnings that the user may see.

    A dead letter without a company is shown only to users who see all companies.
    """
    return [each for each in warnings if context.user.scope.may_see_company(each.company)]


@dataclass(frozen=True)
class _MonthDetails:
    """The totals of a month. The totals of a closed month are those stored at its close.

    `problem` is the reason why the month cannot be closed now. `is_intact` says whether the ledger still matches the
    stored totals; for a month that is not closed, `is_intact` is None.
    """

    snapshot: Snapshot | None = None
    warnings: Sequence[Record] = ()
    problem: ClosingError | None = None
    is_intact: bool | None = None

    @property
    def by_method(self) -> list[tuple[str, Money]]:
        """The totals by payment method."""
        sums = self.snapshot.sums if self.snapshot else ()
        return [(name, total(each.total for each in sums if each.method == name)) for name in _methods_of(sums)]


def _methods_of(sums: Sequence[MonthSum]) -> list[str]:
    return sorted({each.method for each in sums})


def _read_month_details(context: RequestContext, company: str, month: Month) -> _MonthDetails:
    try:
        with context.transaction() as tx:
            snapshot, warnings = closing.preview_close(tx, company, month, context.now)
        return _MonthDetails(snapshot, warning_records(_visible_warnings(context, warnings)))
    except ClosingError as error:
        problem = error
    with context.transaction() as tx:
        try:
            verified = closing.verify(tx, company, month)
        except ClosingError:
            warnings = _visible_warnings(context, closing.close_warnings(tx, company, month))
            return _MonthDetails(warnings=warning_records(warnings), problem=problem)
    return _MonthDetails(verified.snapshot, is_intact=verified.matches)


def _read_month(form: _MonthForm, context: RequestContext) -> tuple[str, Month]:
    """Return the company and the month that a form names.

    Raises PageError: 403 for a user who is limited to clinics, 404 for an unknown company, 422 for an invalid month.
    """
    check_sees_company(context, form.company or None)
    with context.transaction() as tx:
        companies = {each.company for each in configuring.list_companies(tx, context.user.scope)}
    if form.company not in companies:
        raise PageError(404, "There is no such company.", "Reload the Months page and try again.")
    return form.company, _parse_month(form.month)


def _parse_month(text: str) -> Month:
    try:
        return Month.parse(text)
    except ValueError as error:
        raise PageError(422, capitalized(f"{error}."), "Write it as 2026-10.") from None


def _redirect(context: RequestContext, company: str, month: Month, message: str) -> Response:
    return context.redirect(url("/months", company=company, month=str(month)), message)
