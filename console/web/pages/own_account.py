"""The user's own account: change the password, and show and end sessions."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Response
from pydantic import Field

from console.web.auth import OwnAccount, session_use
from console.web.context import RequestContext
from console.web.errors import PageError, capitalized
from console.web.filters import PageQuery, Text
from console.web.login_page import checked_return_address
from console.web.origins import client_address
from payments.access import own_account, sessions
from payments.access.own_account import PasswordChange
from payments.access.passwords import PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN, NewPassword, UserError
from payments.store.db.isolation import AUTHENTICATION_ACCESS

router = APIRouter(include_in_schema=False)

PATH = "/own-account"


class _PageQuery(PageQuery):
    # The page that the user wanted before the password had to be changed.
    next_page: Annotated[Text, Field(alias="next")] = ""


class _PasswordForm(_PageQuery):
    old_password: str = Field(default="", repr=False)
    password: str = Field(default="", repr=False)
    password_again: str = Field(default="", repr=False)


class _SessionForm(PageQuery):
    session: Text = ""


@router.get("/own-account")
def show(query: Annotated[_PageQuery, Query()], context: OwnAccount) -> Response:
    """Show the user's own account."""
    return _show(context, query.next_page)


def _show(context: RequestContext, next_page: str, problem: UserError | None = None) -> Response:
    # A user may have no company yet, so the transaction is not limited to the user's companies.
    with context.app.transaction(AUTHENTICATION_ACCESS) as tx:
        row = own_account.load(tx, context.user)
        rows = own_account.list_sessions(tx, context.user, session_use(context.request, context.now))
    return context.page(
        "own_account.html",
        422 if problem else 200,
        row=row,
        rows=rows,
        current=sessions.reference_of(context.token),
        next_page=checked_return_address(next_page),
        problem=problem,
        sentence=capitalized(f"{problem}.") if problem else "",
        length_min=PASSWORD_LENGTH_MIN,
        length_max=PASSWORD_LENGTH_MAX,
    )


@router.post("/own-account/password")
def change_password(form: Annotated[_PasswordForm, Form()], context: OwnAccount) -> Response:
    """Change the user's password, and end all other sessions of the user.

    If a field is wrong, show the page with a message.
    """
    _check_session(context)
    if form.password != form.password_again:
        differing = UserError("the passwords differ; type the new one twice", "password_again")
        return _show(context, form.next_page, differing)
    new = NewPassword(form.password)
    change = PasswordChange(context.user, context.token, form.old_password, new, client_address(context.request))
    with context.app.transaction(AUTHENTICATION_ACCESS) as tx:
        problem = own_account.change_password(tx, change, context.now)
    if problem:
        return _show(context, form.next_page, problem)
    target = checked_return_address(form.next_page) if form.next_page else PATH
    return context.redirect(target, "Password changed. Your other sessions have ended.")


@router.post("/own-account/sessions/end")
def end_session(form: Annotated[_SessionForm, Form()], context: OwnAccount) -> Response:
    """End one of the user's own sessions or tokens."""
    _check_session(context)
    with context.app.transaction(AUTHENTICATION_ACCESS) as tx:
        kind = own_account.end_session(tx, context.user, form.session, context.now)
    if kind is None:
        return context.redirect(PATH, "This session had already ended.")
    if form.session == sessions.reference_of(context.token):
        return context.redirect("/login", "Session ended.")
    return context.redirect(PATH, "API token revoked." if kind == "token" else "Session ended.")


def _check_session(context: RequestContext) -> None:
    """Check that the request has a session.

    Raises PageError (403) for an API token, because only a person who has logged in may continue.
    """
    if context.kind == "token":
        raise PageError(403, "A token cannot change its user's account.", "Log in to the console.")
