"""Payment Balancing: the EMR total against the Billing total, with every difference explained."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from console.reports.balancing import BALANCING, DIFFERENCES, BalancingParameters
from console.web.auth import Viewer
from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.filters import FIRST_DAY, LAST_DAY, ReportQuery, report_query
from console.web.pages.choices import list_offered_ids
from payments import balancing_wording
from payments.core.balancing import ReconcilingItem, last_full_week
from payments.core.scope import Scope
from payments.journeys import balancing

router = APIRouter(include_in_schema=False)

LINES_MAX = 200


@router.get("/balancing")
def show(
    query: Annotated[ReportQuery[BalancingParameters], Depends(report_query(BalancingParameters, is_paged=False))],
    context: Viewer,
) -> Response:
    """Balance the selected days, by default the last full week."""
    since, until = _days(query.parameters, context.today)
    chosen = replace(query.parameters, since=since, until=until)
    balance_filter = chosen.query(balanced_scope(query, context))
    with context.transaction() as tx:
        balance = balancing.balance(tx, balance_filter)
        offered = list_offered_ids(tx, context)
        context.audit(tx, "viewed Payment Balancing", balance_filter.scope.only_clinic or "", f"{since} to {until}")
    return context.page(
        "balancing.html",
        report=BALANCING,
        differences=DIFFERENCES,
        chosen=replace(
            chosen,
            since=since if since > FIRST_DAY else None,
            clinic=balance_filter.scope.only_clinic,
            company=chosen.company or (balance_filter.scope.only_company if balance_filter.scope.clinic_keys else None),
        ),
        balance=balance,
        terms=[(item, balancing_wording.ITEM_SENTENCES[item], balance.items[item]) for item in ReconcilingItem],
        lines=[*islice(balance.lines, LINES_MAX)],
        hidden=max(0, balance.different - LINES_MAX),
        offered=offered,
        week_before=_shifted_period(since, until, -7),
        week_after=_shifted_period(since, until, 7),
    )


def balanced_scope(query: ReportQuery[BalancingParameters], context: RequestContext) -> Scope:
    """Return the scope to balance.

    For a limited user without a chosen clinic, it is the first of their clinics: that of one company. Raises PageError
    (403) for a user without any clinic.
    """
    scope = context.scope_of(query.choice)
    if scope.clinics is None:
        return scope
    if scope.is_empty:
        raise PageError(403, "Your account includes no clinics.", "Ask an administrator to add one.")
    if scope.clinic_keys is None:
        return scope.narrowed_to_clinic(min(scope.clinics))
    clinic, company = min((key.clinic_id, key.company_id) for key in scope.clinic_keys if scope.may_see(*key))
    return scope.narrowed_to_company(company).narrowed_to_clinic(clinic)


def _days(chosen: BalancingParameters, today: date) -> tuple[date, date]:
    first, last = last_full_week(today)
    if chosen.since is None and chosen.until is None:
        return first, last
    since = chosen.since or FIRST_DAY
    return since, chosen.until or max(since, today)


def _shifted_period(since: date, until: date, days: int) -> tuple[date | None, date] | None:
    """Return the period moved by some days. An open start stays None.

    Returns None if the moved period ends outside the supported days.
    """
    first, last = since + timedelta(days), until + timedelta(days)
    if since == FIRST_DAY:
        return (None, last) if FIRST_DAY <= last <= LAST_DAY else None
    return (first, last) if first >= FIRST_DAY and last <= LAST_DAY else None
