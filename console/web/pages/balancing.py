"""Payment Balancing: the EMR total against the Billing total, with every difference explained."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response

from console.web.auth import Viewer
from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.filters import FIRST_DAY, LAST_DAY, Period
from console.web.pages.choices import clinic_names
from payments.core.balancing import ReconcilingItem, last_full_week
from payments.journeys import balancing
from payments.journeys.balancing import BalanceFilter

router = APIRouter(include_in_schema=False)

LINES_MAX = 200


@router.get("/balancing")
def show(choice: Annotated[Period, Query()], context: Viewer) -> Response:
    """Balance the selected days, by default the last full week."""
    since, until = _days(choice, context.today)
    query = balance_query(Period(since=since, until=until, clinic=choice.clinic), context)
    with context.app.transaction() as tx:
        balance = balancing.balance(tx, query)
        names = clinic_names(tx, context)
        context.audit(tx, "viewed Payment Balancing", query.clinic_id or "", f"{since} to {until}")
    return context.page(
        "balancing.html",
        balance=balance,
        terms=[(term, term.sentence, balance.items[term]) for term in ReconcilingItem],
        lines=balance.lines[:LINES_MAX],
        hidden=max(0, len(balance.lines) - LINES_MAX),
        since=since if since > FIRST_DAY else None,
        until=until,
        clinic=query.clinic_id,
        clinics=names,
        week_before=_moved(since, until, -7),
        week_after=_moved(since, until, 7),
    )


def balance_query(choice: Period, context: RequestContext) -> BalanceFilter:
    """Return the query for a balance. A user limited to clinics balances one clinic at a time.

    Raises PageError (403) for a user without any clinic.
    """
    clinics = choice.clinics(context.user)
    if clinics is None:
        return BalanceFilter(choice.since, choice.until, None)
    if not clinics:
        raise PageError(403, "Your account includes no clinics.", "Ask an administrator to add one.")
    return BalanceFilter(choice.since, choice.until, clinics[0])


def _days(choice: Period, today: date) -> tuple[date, date]:
    first, last = last_full_week(today)
    if choice.since is None and choice.until is None:
        return first, last
    since = choice.since or FIRST_DAY
    return since, choice.until or max(since, today)


def _moved(since: date, until: date, days: int) -> tuple[date | None, date] | None:
    """Return the period moved by some days, with None for an open start; None outside the supported days."""
    first, last = since + timedelta(days), until + timedelta(days)
    if since == FIRST_DAY:
        return (None, last) if FIRST_DAY <= last <= LAST_DAY else None
    return (first, last) if first >= FIRST_DAY and last <= LAST_DAY else None
