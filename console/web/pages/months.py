"""Months: how far each is on its way to being closed, what is better settled before, schedule, cancel and close."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Response

from console.web.auth import Editor, Viewer
from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.filters import Filter, Text
from console.web.rendering import url
from payments.contract.money import Money, total
from payments.core.close import MonthSum
from payments.core.month import Month, MonthState
from payments.journeys import closing, configuring
from payments.journeys.closing import CloseWarning, ClosingError, Snapshot
from tasks.closing import close as close_month

router = APIRouter(include_in_schema=False)


class _Choice(Filter):
    company: Text | None = None
    month: Text | None = None


@router.get("/months")
def show(choice: Annotated[_Choice, Query()], context: Viewer) -> Response:
    """Show a company's months, and of one that is chosen what a close would keep and what is not settled."""
    check_unlimited(context)
    with context.app.transaction() as tx:
        companies = [each.company for each in configuring.show_companies(tx)]
        company = choice.company or (companies[0] if companies else None)
        months = closing.list_months(tx, company) if company else []
    # The next one to close is what most people come for.
    named = choice.month or next((row.month for row in months if row.state is not MonthState.CLOSED), None)
    chosen = month_named(named) if company and named else None
    return context.page(
        "months.html",
        companies=companies,
        company=company,
        months=list(reversed(months)),
        chosen=str(chosen) if chosen else None,
        row=next((row for row in months if chosen and row.month == str(chosen)), None),
        close=_foreseen(context, company, chosen) if company and chosen else None,
    )


@router.post("/months/schedule")
def schedule(context: Editor) -> Response:
    """Have a month closed the coming night."""
    company, month = _named(context)
    with context.app.transaction() as tx:
        unready = closing.schedule(tx, company, month, context.now, context.user.signature)
        context.audit(tx, "scheduled month", f"{company} {month}", f"{len(unready)} payments were not settled")
    left = f" {len(unready)} payments are better settled before." if unready else ""
    return _back(context, company, month, f"{company} {month} closes tonight; until then it can be cancelled.{left}")


@router.post("/months/cancel")
def cancel(context: Editor) -> Response:
    """Take a scheduled month back."""
    company, month = _named(context)
    with context.app.transaction() as tx:
        closing.cancel(tx, company, month, context.now, context.user.signature)
        context.audit(tx, "cancelled month", f"{company} {month}")
    return _back(context, company, month, f"{company} {month} is open again.")


@router.post("/months/close")
def close(context: Editor) -> Response:
    """Close a month now, once its name was typed to confirm it."""
    company, month = _named(context)
    if context.form.get("confirm") != str(month):
        raise PageError(422, f"Type {month} to confirm that it is closed for good.", "Go back and type it.")
    kept = close_month(context.app.database, company, month, context.now, context.user.signature)
    with context.app.transaction() as tx:
        context.audit(tx, "closed month", f"{company} {month}", f"payments of {kept.payments_total}")
    return _back(context, company, month, f"{company} {month} is closed with payments of {kept.payments_total:,}.")


def check_unlimited(context: RequestContext) -> None:
    """Refuse who is limited to clinics: a month is a whole company's."""
    if context.user.clinics is not None:
        raise PageError(
            403,
            "Months belong to whole companies; your account is limited to clinics.",
            "Ask a biller without a limit.",
        )


def month_named(text: str) -> Month:
    """Read a month, or refuse it."""
    try:
        return Month.parse(text)
    except ValueError as error:
        raise PageError(422, f"{error}.".capitalize(), "Write it as 2026-10.") from None


@dataclass(frozen=True)
class _Close:
    """A month as it would be closed, or as it was; `problem` is what keeps it from being closed now."""

    snapshot: Snapshot | None = None
    unready: Sequence[CloseWarning] = ()
    problem: ClosingError | None = None
    holds: bool | None = None

    @property
    def by_method(self) -> list[tuple[str, Money]]:
        """The totals by payment method."""
        sums = self.snapshot.sums if self.snapshot else ()
        return [(name, total(each.total for each in sums if each.method == name)) for name in _methods(sums)]


def _methods(sums: Sequence[MonthSum]) -> list[str]:
    return sorted({each.method for each in sums})


def _foreseen(context: RequestContext, company: str, month: Month) -> _Close:
    try:
        with context.app.transaction() as tx:
            snapshot, unready = closing.preview_close(tx, company, month, context.now)
        return _Close(snapshot, unready)
    except ClosingError as error:
        problem = error
    with context.app.transaction() as tx:
        try:
            verified = closing.verify(tx, company, month)
        except ClosingError:
            return _Close(unready=closing.close_warnings(tx, company, month), problem=problem)
    return _Close(verified.snapshot, holds=verified.matches)


def _named(context: RequestContext) -> tuple[str, Month]:
    check_unlimited(context)
    company = str(context.form.get("company", ""))
    with context.app.transaction() as tx:
        known = {each.company for each in configuring.show_companies(tx)}
    if company not in known:
        raise PageError(404, "There is no such company.", "Load the Months again.")
    return company, month_named(str(context.form.get("month", "")))


def _back(context: RequestContext, company: str, month: Month, said: str) -> Response:
    return context.redirect(url("/months", company=company, month=str(month)), said)
