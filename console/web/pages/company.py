"""The settings of a company, which apply to all of its clinics."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Response
from pydantic import Field

from console.web.auth import Configurer
from console.web.context import RequestContext
from console.web.errors import PageError, capitalized
from console.web.filters import Amount, Count, PageQuery, Text
from console.web.rendering import url
from payments.contract.money import AMOUNT_MAX, ZERO
from payments.core.conflict import ChangedMeanwhileError
from payments.core.service_level import BUSINESS_DAYS_MAX
from payments.core.timezone import TimezoneError, known_timezones
from payments.journeys import configuring
from payments.journeys.configuring import CompanyRow, CompanyUpdate

router = APIRouter(include_in_schema=False)

HOLD_DAYS_MAX = 3650
_Policy = Literal["review", "auto"]


class _CompanyQuery(PageQuery):
    company: Text | None = None


class _SettingsForm(PageQuery):
    company: Text = ""
    timezone: Text | None = None
    hold_days: Annotated[Count, Field(le=HOLD_DAYS_MAX)]
    exception_days: Annotated[Count, Field(ge=1, le=BUSINESS_DAYS_MAX)]
    dos_first: Literal["on"] | None = None
    adjustments: _Policy
    refund_limit: Annotated[Amount, Field(title="Refunds without approval", ge=0, le=AMOUNT_MAX)] | None = None
    # The settings that the page showed; without them no conflict is detected.
    seen_timezone: Text | None = None
    seen_chosen: bool = False
    seen_hold_days: Count = 0
    seen_exception_days: Count = 0
    seen_dos_first: bool = False
    seen_adjustments: _Policy = "review"
    seen_refund_limit: Amount = ZERO

    @property
    def seen(self) -> CompanyRow | None:
        """The settings that the page showed when the user opened it."""
        if self.seen_timezone is None:
            return None
        return CompanyRow(
            company=self.company,
            timezone=self.seen_timezone,
            hold_days=self.seen_hold_days,
            dos_first=self.seen_dos_first,
            adjustments=self.seen_adjustments,
            timezone_chosen=self.seen_chosen,
            exception_days=self.seen_exception_days,
            refund_limit=self.seen_refund_limit,
        )

    @property
    def update(self) -> CompanyUpdate:
        """The change that the user wants."""
        return CompanyUpdate(
            self.company,
            hold_days=self.hold_days,
            dos_first=self.dos_first == "on",
            adjustments=self.adjustments,
            timezone=self.timezone,
            exception_days=self.exception_days,
            refund_limit=self.refund_limit,
            seen=self.seen,
        )


@router.get("/company")
def show(choice: Annotated[_CompanyQuery, Query()], context: Configurer) -> Response:
    """Show the settings of a company. Without a company in the address, show the first company."""
    return _show(context, choice.company)


def _show(
    context: RequestContext,
    company: str | None,
    entered: _SettingsForm | None = None,
    error: TimezoneError | ChangedMeanwhileError | None = None,
) -> Response:
    _require_whole_companies(context)
    with context.transaction() as tx:
        rows = {each.company: each for each in configuring.list_companies(tx, context.user.scope)}
    if company and company not in rows:
        raise PageError(404, f"There is no company {company}.", "Choose a company from the list.")
    row = rows[company] if company else next(iter(rows.values()), None)
    is_conflict = isinstance(error, ChangedMeanwhileError)
    return context.page(
        "company.html",
        200 if error is None else 409 if is_conflict else 422,
        row=row,
        companies=list(rows),
        chosen=entered or row,
        zones=sorted(known_timezones()),
        conflict=error if is_conflict else None,
        wrong_zone=capitalized(f"{error}.") if isinstance(error, TimezoneError) else "",
        hold_days_max=HOLD_DAYS_MAX,
        exception_days_max=BUSINESS_DAYS_MAX,
    )


@router.post("/company")
def change(form: Annotated[_SettingsForm, Form()], context: Configurer) -> Response:
    """Change the settings of a company.

    If another user has changed the settings since the page was shown, nothing is saved. The page then lists these
    changes and keeps the user's choices (409). An unknown time zone is refused at its field (422). Raises PageError
    (404) if the user sees no such company.
    """
    _require_whole_companies(context)
    with context.transaction() as tx:
        if form.company not in {row.company for row in configuring.list_companies(tx, context.user.scope)}:
            raise PageError(404, f"There is no company {form.company}.", "Choose a company from the list.")
    try:
        with context.transaction() as tx:
            configuring.set_company(tx, form.update, now=context.now, who=context.user.audit_name)
    except (TimezoneError, ChangedMeanwhileError) as error:
        return _show(context, form.company, form, error)
    return context.redirect(url("/company", company=form.company), f"Settings of company {form.company} saved.")


def _require_whole_companies(context: RequestContext) -> None:
    """Check that the user is not limited to clinics, because the settings apply to a whole company.

    Raises PageError (403) if the user is limited to clinics.
    """
    if context.user.scope.clinics is not None:
        sentence = "These settings apply to a whole company; your account is limited to clinics."
        raise PageError(403, sentence, "Ask a user with access to all clinics.")
