"""Log in and out. If a form was submitted after the session expired, it is shown again after the login."""

from datetime import timedelta
from typing import Annotated, NamedTuple

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from console.web.auth import SESSION_COOKIE, OwnAccount
from console.web.context import app_state
from console.web.cookies import cookie_name
from console.web.csrf import csrf_token
from console.web.errors import PageError, SentForm
from console.web.filters import Storable
from console.web.flash import set_flash
from console.web.login_page import LoginView, checked_return_address, login_page, login_secret, parse_sent_form
from console.web.origins import client_address
from console.web.resuming import resumed_page
from payments.access import authentication
from payments.access.authentication import LoginAttempt, LoginResult
from payments.access.sessions import RETENTION_AFTER_EXPIRY
from payments.store.db.isolation import AUTHENTICATION_ACCESS

router = APIRouter(include_in_schema=False)

CONCURRENT_LOGINS = 2
"""Number of passwords that are checked at the same time. Each check intentionally takes much memory and time."""
WAITING_MAX = 500
"""Number of logins that may wait for a check. Further logins are refused."""
_OTHER_USERS_FORM_DISCARDED = "A form that another user left unfinished was discarded. Nothing was changed."


class _LoginForm(BaseModel):
    csrf: str = Field(default="", repr=False)
    next_page: Annotated[str, Field(alias="next")] = ""
    name: Annotated[str, Storable] = ""
    password: Annotated[str, Storable] = Field(default="", repr=False)
    # The form that the user sent after the session expired, as text. The login page keeps it in a hidden field.
    sent: Annotated[str, Storable] = Field(default="", repr=False)


class _CheckedLogin(NamedTuple):
    """The result of a login attempt, and the submitted form to show again."""

    result: LoginResult
    sent: SentForm | None


@router.get("/login")
def show(request: Request, next_page: Annotated[str, Query(alias="next")] = "/") -> Response:
    """Show the login form. If the browser does not have the cookie for the CSRF token, set it."""
    with app_state(request).transaction(AUTHENTICATION_ACCESS) as tx:
        has_no_users = authentication.has_no_users(tx)
    return login_page(request, LoginView(next_page=checked_return_address(next_page), has_no_users=has_no_users))


@router.post("/login")
async def log_in(request: Request, form: Annotated[_LoginForm, Form()]) -> Response:
    """Log in, and redirect to the page `next`. If there is a submitted form, show it again instead.

    Raises PageError (503) if too many logins wait.
    """
    # Waiting here, before a thread is taken, leaves the threads to the other pages.
    limiter: CapacityLimiter = request.app.state.login_limiter
    if limiter.statistics().tasks_waiting >= WAITING_MAX:
        raise PageError(503, "Too many people are logging in.", "Try again in a minute.")
    result, sent = await to_thread.run_sync(_check_login, request, form, limiter=limiter)
    next_page = checked_return_address(form.next_page)
    if result.token is None:
        view = LoginView(next_page=next_page, name=form.name.strip(), problem=result.message, sent=sent)
        return login_page(request, view)
    if sent and sent.user == result.name:
        cookie = f"{cookie_name(app_state(request).settings, SESSION_COOKIE)}={result.token}"
        response = await resumed_page(request, sent, cookie)
    else:
        response = RedirectResponse("/" if sent else next_page, 303)
        if sent:
            set_flash(response, app_state(request).settings, _OTHER_USERS_FORM_DISCARDED)
    _set_session_cookie(request, response, result.token)
    return response


def _check_login(request: Request, form: _LoginForm) -> _CheckedLogin:
    app = app_state(request)
    secret = login_secret(request)
    if not secret or form.csrf != csrf_token(secret):
        raise PageError(403, "This form has expired.", "Allow cookies for this site, then reload the login page.")
    sent = parse_sent_form(form.sent)
    attempt = LoginAttempt(form.name.strip(), form.password, client_address(request))
    with app.transaction(AUTHENTICATION_ACCESS) as tx:
        result = authentication.log_in(tx, attempt, app.clock(), timedelta(hours=app.settings.session_hours))
    return _CheckedLogin(result, sent)


@router.post("/logout")
def log_out(context: OwnAccount) -> Response:
    """End the session. Raises PageError (403) for an API token, because it is not a session."""
    if context.kind == "token":
        step = "It stays valid. Disable its user or set a new password to end it."
        raise PageError(403, "A token cannot log out.", step)
    with context.transaction() as tx:
        authentication.log_out(tx, context.token, context.user, context.now)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(cookie_name(context.app.settings, SESSION_COOKIE))
    return response


def _set_session_cookie(request: Request, response: Response, token: str) -> None:
    """Set the cookie of a new session.

    The cookie outlives the session. If the user submits a form after the session has expired, the console can thus keep
    the form until the user has logged in again.
    """
    settings = app_state(request).settings
    kept = timedelta(hours=settings.session_hours) + RETENTION_AFTER_EXPIRY
    response.set_cookie(
        cookie_name(settings, SESSION_COOKIE),
        token,
        max_age=round(kept.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=settings.console_https,
    )
