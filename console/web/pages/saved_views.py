"""Saved views: the filter and the sort of a list, stored under a name. A view is private or shared with a company."""

from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Form, Response
from pydantic import Field, StringConstraints

from console.reports.audit import AUDIT
from console.reports.claims_feed import CLAIMS_FEED
from console.reports.exceptions import EXCEPTIONS
from console.reports.parameters import parameters_of
from console.reports.payment_log import PAYMENT_LOG
from console.reports.saved_views import SAVED_VIEWS, view_record
from console.web.auth import Viewer
from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.filters import STORABLE_PATTERN, PageQuery, RowId, Text
from payments.access import saved_views
from payments.access.rights import Right
from payments.access.saved_views import NAME_CHARACTERS_MAX, QUERY_CHARACTERS_MAX, NewView, SavedView
from payments.journeys.choosing import ScopeChoice
from payments.store.db.connection import Transaction

router = APIRouter(include_in_schema=False)

LISTS = {"/claims-feed": CLAIMS_FEED, "/exceptions": EXCEPTIONS, "/payment-log": PAYMENT_LOG, "/audit": AUDIT}
"""The lists whose views can be saved, by the address of the list."""
_RIGHT_BY_LIST = {"/audit": Right.ADMINISTER}
_Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_CHARACTERS_MAX, pattern=STORABLE_PATTERN),
]


class _ViewForm(PageQuery):
    name: _Name
    list_name: Text
    query: Annotated[str, Field(max_length=QUERY_CHARACTERS_MAX)] = ""
    company: Text | None = None
    shared: Literal["on"] | None = None


class _IdForm(PageQuery):
    view: RowId


@router.get("/views")
def show(context: Viewer) -> Response:
    """Show the user's own views, and the views that are shared with the user's companies."""
    with context.transaction() as tx:
        views = [each for each in saved_views.list_visible(tx, context.user) if _may_open(context, each.list_name)]
    rows = [(each, {**view_record(each, LISTS[each.list_name].title), "id": each.id}) for each in views]
    return context.page("saved_views.html", report=SAVED_VIEWS, rows=rows)


@router.get("/views/{view_id:row}")
def open_view(view_id: RowId, context: Viewer) -> Response:
    """Redirect to the list with the filter of a view. The address of this route is a permanent link to the view."""
    with context.transaction() as tx:
        view = _find_view(tx, context, view_id)
    return context.redirect(f"{view.list_name}?{view.query}")


@router.post("/views")
def save(form: Annotated[_ViewForm, Form()], context: Viewer) -> Response:
    """Save a view. If the user already has a view with this name, replace it.

    Raises PageError (422) if views of the list cannot be saved, or if the view has no company.
    """
    if form.list_name not in LISTS or not _may_open(context, form.list_name):
        raise PageError(422, "Views of this list cannot be saved.", "Open a list and save its view there.")
    company = form.company or context.user.scope.only_company
    if company is None:
        raise PageError(422, "Choose the company to which the view belongs.", "Go back and choose it.")
    context.scope_of(ScopeChoice(company))
    known = parameters_of(LISTS[form.list_name].parameters or type(None))
    query = urlencode([(name, value) for name, value in parse_qsl(form.query) if name in known])
    view = NewView(company, form.list_name, form.name, query, is_shared=form.shared is not None)
    with context.transaction() as tx:
        saved_views.save(tx, context.user, view, context.now)
        context.audit(tx, "saved view", form.name, f"{form.list_name}; {query}", company)
    return context.redirect(f"{form.list_name}?{query}", f"View {form.name} saved.")


@router.post("/views/delete")
def delete(form: Annotated[_IdForm, Form()], context: Viewer) -> Response:
    """Delete a view. Administrators may delete shared views of others. Raises PageError (403) if not permitted."""
    with context.transaction() as tx:
        view = _find_view(tx, context, form.view)
        if not view.may_be_deleted_by(context.user):
            raise PageError(403, f"The view {view.name} belongs to {view.owner}.", "Ask the owner to delete it.")
        saved_views.delete(tx, view)
        context.audit(tx, "deleted view", view.name, view.list_name, view.company)
    return context.redirect("/views", f"View {view.name} deleted.")


def _find_view(tx: Transaction, context: RequestContext, view_id: int) -> SavedView:
    view = saved_views.find(tx, context.user, view_id)
    if view is None or not _may_open(context, view.list_name):
        raise PageError(404, f"There is no view {view_id}.", "Choose a view from the list.")
    return view


def _may_open(context: RequestContext, list_name: str) -> bool:
    return list_name in LISTS and context.user.may(_RIGHT_BY_LIST.get(list_name, Right.VIEW))
