"""The page Payment Balancing: the EMR total against the Billing total, with every difference explained."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from console.reports.balancing import BALANCING, DIFFERENCES, ITEM_HEADINGS, BalancingParameters
from console.web.auth import Viewer
from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.filters import FIRST_DAY, LAST_DAY, Count, ReportQuery, RowId, report_query
from console.web.lists import PageLinks
from console.web.pages.choices import list_offered_ids
from console.web.pages.uploaded import load_log, reading_log
from payments import balancing_wording
from payments.access.uploaded_logs import UploadedLog
from payments.contract.money import Money, total
from payments.core.balancing import BalancingNoteCode, ReconcilingItem, last_full_week
from payments.core.scope import Scope
from payments.journeys import balancing
from payments.journeys.balancing import Balance, BalancedLine, BalanceFilter, LineGroup
from payments.store.db.connection import Transaction

router = APIRouter(include_in_schema=False)

LINES_MAX = 200
_GROUP_TITLES = {
    LineGroup.EMR: "EMR, by transaction date",
    LineGroup.UNEXPLAINED: "Unexplained",
    **{LineGroup(item): heading for item, heading in ITEM_HEADINGS.items()},
    **{LineGroup(code): name for code, name in balancing_wording.NOTE_KINDS.items()},
}


BalanceQuery = Annotated[ReportQuery[BalancingParameters], Depends(report_query(BalancingParameters, is_paged=False))]


@router.get("/balancing")
def show(
    query: BalanceQuery,
    context: Viewer,
    log: RowId | None = None,
    group: LineGroup | None = None,
    after: Count = 0,
) -> Response:
    """Balance the selected days or the last full week. List the lines of `group`, by default all that differ."""
    scope = balanced_scope(query, context)
    chosen = with_default_days(query, context, scope)
    balance_filter = chosen.to_filter(scope)
    with context.snapshot_transaction() as tx:
        uploaded = load_log(tx, context, log) if log else None
        with reading_log(uploaded) as rows:
            balance = balancing.balance(tx, balance_filter, rows)
        lines = _lines(tx, balance, balance_filter, group, uploaded)
        shown = [*islice(lines, after, after + LINES_MAX + 1)]
        offered = list_offered_ids(tx, context)
        days = f"{chosen.since} to {chosen.until}"
        context.audit(tx, "viewed Payment Balancing", balance_filter.scope.only_clinic or "", days)
    return context.page(
        "balancing.html",
        report=BALANCING,
        differences=DIFFERENCES,
        chosen=_shown_choice(chosen, balance_filter.scope),
        balance=balance,
        terms=[(item, balancing_wording.ITEM_SENTENCES[item], balance.items[item]) for item in ReconcilingItem],
        kinds=[(code, balancing_wording.NOTE_KINDS[code]) for code in BalancingNoteCode],
        group=group,
        group_title=_GROUP_TITLES.get(group) if group else None,
        group_amount=_group_amount(balance, group),
        lines=shown[:LINES_MAX],
        links=_page_links(context, after, has_more=len(shown) > LINES_MAX),
        log=uploaded,
        offered=offered,
        query_string=context.link(after=None).partition("?")[2],
        week_before=_shifted_period(balance_filter, -7),
        week_after=_shifted_period(balance_filter, 7),
    )


def _lines(
    tx: Transaction,
    balance: Balance,
    balance_filter: BalanceFilter,
    group: LineGroup | None,
    uploaded: UploadedLog | None,
) -> Iterator[BalancedLine]:
    """Yield the lines that the page lists. All lines of the EMR are read again; other groups come from `balance`."""
    if group is LineGroup.EMR:
        with reading_log(uploaded) as rows:
            yield from balancing.lines_of_group(tx, balance_filter, group, rows)
    else:
        yield from (line for line in balance.lines if group is None or group in line.groups)


def _page_links(context: RequestContext, after: int, *, has_more: bool) -> PageLinks:
    before = max(0, after - LINES_MAX)
    return PageLinks(
        context.link(after=None) if after else None,
        context.link(after=before or None) if after else None,
        context.link(after=after + LINES_MAX) if has_more else None,
        None,
    )


def _group_amount(balance: Balance, group: LineGroup | None) -> Money | None:
    """Return the sum of a group's lines, as the reconciliation shows it. Without a group, return None."""
    if group is None:
        return None
    if group is LineGroup.EMR:
        return balance.emr_total
    return total(line.amount_in(group) for line in balance.lines if group in line.groups)


def with_default_days(
    query: ReportQuery[BalancingParameters], context: RequestContext, scope: Scope
) -> BalancingParameters:
    """Return the parameters of a query with the days to balance.

    By default, these are the last full week of the scope.
    """
    since, until = _days(query.parameters, context.today_in(scope))
    return replace(query.parameters, since=since, until=until)


def _shown_choice(chosen: BalancingParameters, scope: Scope) -> BalancingParameters:
    return replace(
        chosen,
        since=chosen.since if chosen.since and chosen.since > FIRST_DAY else None,
        clinic=scope.only_clinic,
        company=chosen.company or (scope.only_company if scope.clinic_keys else None),
    )


def balanced_scope(query: ReportQuery[BalancingParameters], context: RequestContext) -> Scope:
    """Return the scope to balance.

    A user who is limited to clinics balances one clinic at a time: by default, the clinic with the first id. Raises
    PageError (403) if the user has no clinic.
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


def _shifted_period(balance_filter: BalanceFilter, days: int) -> tuple[date | None, date] | None:
    """Return the first and the last day of the balance, moved by `days`. A first day of None stays None.

    Returns None if the moved period ends outside the supported days.
    """
    since, until = balance_filter.since or FIRST_DAY, balance_filter.until or LAST_DAY
    first, last = since + timedelta(days), until + timedelta(days)
    if since == FIRST_DAY:
        return (None, last) if FIRST_DAY <= last <= LAST_DAY else None
    return (first, last) if first >= FIRST_DAY and last <= LAST_DAY else None
