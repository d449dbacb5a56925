"""Decide or assign several Billing Exceptions: a page to confirm, then a page with the result of each."""

from collections.abc import Callable, Iterable
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

import structlog
from fastapi import APIRouter, Form, Response
from pydantic import Field

from console.reports.exceptions import ExceptionsParameters
from console.web import exception_actions
from console.web.auth import Editor
from console.web.context import RequestContext
from console.web.errors import PageError, capitalized
from console.web.exception_rows import assignable_user_names
from console.web.filters import Day, Text, query_of_address
from console.web.forms import ReturnForm
from console.web.large_forms import LargeFormRoute
from console.web.lists import select
from payments import exception_wording
from payments.contract.money import Money, dollars, total
from payments.core.finding import DecisionError, FindingReason
from payments.journeys import adjusting, reporting
from payments.journeys.adjusting import SeenException
from payments.journeys.assigning import Assignment
from payments.journeys.reporting import ExceptionRow
from payments.store.db.connection import Transaction

router = APIRouter(include_in_schema=False, route_class=LargeFormRoute)
log = structlog.get_logger()

ROWS_MAX = 500
"""Maximum number of exceptions that one request decides."""
_SEEN_PATTERN = r"^[1-9][0-9]{0,17}\.[1-9][0-9]{0,17}$"
_Seen = list[Annotated[str, Field(pattern=_SEEN_PATTERN)]]


class BulkAction(StrEnum):
    """An action that can be performed on several exceptions."""

    ACCEPT = "accept"
    ACKNOWLEDGE = "acknowledge"
    ASSIGN = "assign"


class _MatchingForm(ReturnForm):
    """An action on all exceptions that match a list's filter.

    The filter is in `back`, the address of the list.
    """

    action: BulkAction = BulkAction.ACCEPT


class _SelectionForm(_MatchingForm):
    """The selected exceptions, such as `17.2`: the id of the exception, and the shown version of the payment."""

    exception: _Seen = Field(default_factory=list)


class _DecisionForm(_SelectionForm):
    """The confirmed exceptions, and the values that the action needs."""

    deposit_date: Day | None = None
    reason: Annotated[str, Field(max_length=500)] = ""
    owner: Text = ""


class BulkSummary(NamedTuple):
    """The exceptions that an action will change, and how many selected ones are left out. Amounts are in dollars."""

    rows: list[ExceptionRow]
    left_out: int

    @property
    def difference(self) -> Money:
        """The sum of the differences between the EMR and Billing."""
        return total(row.difference for row in self.rows)

    @property
    def entry_count(self) -> int:
        """The number of entries that accepting the exceptions would post."""
        return sum(len(row.proposal) for row in self.rows)

    @property
    def amount_to_post(self) -> Money:
        """The sum of the entries that accepting the exceptions would post."""
        return total(dollars(str(entry["amount"])) for row in self.rows for entry in row.proposal)


class ItemResult(NamedTuple):
    """The result of an action on one exception. `state` is `done`, `skipped`, `unknown` or `untried`."""

    finding_id: int
    state: str
    text: str


@router.post("/exceptions/selected")
def show_selected(form: Annotated[_SelectionForm, Form()], context: Editor) -> Response:
    """Show the number and the sum of the selected exceptions, and ask for confirmation.

    Raises PageError (422) if none is selected.
    """
    if not form.exception:
        raise PageError(422, "No exceptions are selected.", "Go back and select exceptions.")
    with context.transaction() as tx:
        versions = {seen.finding_id: seen.version for seen in _parse_seen(form.exception)}
        found = (reporting.exception(tx, each, context.user.scope) for each in [*versions][:ROWS_MAX])
        rows = [row for row in found if row is not None and row.version == versions[row.id]]
        return _confirmation_page(tx, context, form, rows, len(versions))


@router.post("/exceptions/matching")
def show_matching(form: Annotated[_MatchingForm, Form()], context: Editor) -> Response:
    """Show the number and the sum of the exceptions that match the filter of a list, and ask for confirmation."""
    back = form.return_to("/exceptions")
    chosen, scope = select(context, query_of_address(ExceptionsParameters, back))
    with context.transaction() as tx:
        exception_filter = chosen.to_filter(scope)
        count = reporting.exceptions_summary(tx, exception_filter).count
        rows = []
        for row in reporting.exceptions(tx, exception_filter):
            rows.append(row)
            if len(rows) == ROWS_MAX:
                break
        return _confirmation_page(tx, context, _SelectionForm(action=form.action, back=back), rows, count)


@router.post("/exceptions/decide")
def decide(form: Annotated[_DecisionForm, Form()], context: Editor) -> Response:
    """Perform the confirmed action on each exception, in separate transactions.

    Exceptions that have changed meanwhile are skipped. Raises PageError (422) if none is selected.
    """
    selected = _parse_seen(form.exception)[:ROWS_MAX]
    if not selected:
        raise PageError(422, "No exceptions are selected.", "Go back and select exceptions.")
    results = act_on_each(selected, _action(context, form))
    with context.transaction() as tx:
        found = (reporting.exception(tx, each.finding_id, context.user.scope) for each in results)
        rows = {row.id: row for row in found if row is not None}
    is_interrupted = any(each.state == "unknown" for each in results)
    return context.page(
        "exceptions_result.html",
        503 if is_interrupted else 200,
        action=form.action,
        back=form.return_to("/exceptions"),
        results=results,
        rows=rows,
        done=sum(each.state == "done" for each in results),
    )


def act_on_each(selected: Iterable[SeenException], act: Callable[[SeenException], str]) -> list[ItemResult]:
    """Call `act` with each exception, and return the results. After an unexpected error, skip the other exceptions."""
    results: list[ItemResult] = []
    is_interrupted = False
    for seen in selected:
        if is_interrupted:
            results.append(ItemResult(seen.finding_id, "untried", "Not attempted; repeat the action."))
            continue
        try:
            results.append(ItemResult(seen.finding_id, "done", _sentence(act(seen))))
        except (DecisionError, PageError) as error:
            problem = error.problem if isinstance(error, DecisionError) else f"{error}"
            results.append(ItemResult(seen.finding_id, "skipped", _sentence(problem)))
        except Exception:
            log.exception("bulk_decision_interrupted", finding_id=seen.finding_id)
            is_interrupted = True
            unknown = (
                "An error interrupted the action. It may have taken effect; open the exception before you repeat it."
            )
            results.append(ItemResult(seen.finding_id, "unknown", unknown))
    return results


def _sentence(text: str) -> str:
    return capitalized(f"{text.removesuffix('.')}.")


def _action(context: RequestContext, form: _DecisionForm) -> Callable[[SeenException], str]:
    """Return a function that performs the action on one exception.

    The function returns a text that says what it did. The text names neither the exception nor the payment.
    """

    def accept(seen: SeenException) -> str:
        return exception_wording.acceptance_result(
            exception_actions.accept_if_unchanged(context, seen, form.deposit_date)
        )

    def acknowledge(seen: SeenException) -> str:
        exception_actions.acknowledge_if_unchanged(context, seen, form.reason)
        return exception_wording.ACKNOWLEDGED_RESULT

    def assign(seen: SeenException) -> str:
        exception_actions.assign(context, Assignment(seen.finding_id, form.owner or None))
        return exception_wording.assignment_result(form.owner)

    actions = {BulkAction.ACCEPT: accept, BulkAction.ACKNOWLEDGE: acknowledge, BulkAction.ASSIGN: assign}
    return actions[form.action]


def _confirmation_page(
    tx: Transaction, context: RequestContext, form: _SelectionForm, rows: list[ExceptionRow], count: int
) -> Response:
    usable = [
        row for row in rows if row.status == "open" and (form.action is not BulkAction.ACCEPT or _can_accept(row))
    ]
    return context.page(
        "exceptions_selected.html",
        action=form.action,
        back=form.return_to("/exceptions"),
        summary=BulkSummary(usable, count - len(usable)),
        limit=ROWS_MAX if count > ROWS_MAX else None,
        **_choices(tx, context, usable),
    )


def _choices(tx: Transaction, context: RequestContext, rows: list[ExceptionRow]) -> dict[str, Any]:
    days: dict[str, date] = adjusting.default_deposit_dates(tx, {row.company for row in rows}, context.now)
    return {"last_day": max(days.values(), default=None), "owners": assignable_user_names(tx, context)}


def _can_accept(row: ExceptionRow) -> bool:
    return FindingReason(row.reason).can_be_accepted


def _parse_seen(texts: Iterable[str]) -> list[SeenException]:
    pairs = [text.split(".") for text in dict.fromkeys(texts)]
    return [SeenException(finding_id=int(id_), version=int(version)) for id_, version in pairs]
