"""Logging in and out."""

import secrets
from datetime import timedelta
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field

from console.web.auth import SESSION_COOKIE, Viewer
from console.web.context import app_state
from console.web.cookies import cookie_name
from console.web.csrf import csrf_token
from console.web.errors import PageError
from console.web.filters import Storable
from console.web.flash import delete_flash, read_flash
from console.web.origins import client_address
from payments.access import authentication
from payments.access.authentication import LoginAttempt
from payments.store.db.isolation import AUTHENTICATION

router = APIRouter(include_in_schema=False)

_CSRF_COOKIE = "payments_login"
_SECRET_LENGTH_MIN = 43
CONCURRENT_LOGINS = 2
"""Passwords checked at the same time: each check takes memory, a connection and every core on purpose."""
WAITING_MAX = 500
"""Logins that may wait for a check; more are refused."""


class _LoginForm(BaseModel):
    csrf: str = Field(default="", repr=False)
    next_page: Annotated[str, Field(alias="next")] = ""
    name: Annotated[str, Storable] = ""
    password: Annotated[str, Storable] = Field(default="", repr=False)


@router.get("/login")
def show(request: Request, next_page: Annotated[str, Query(alias="next")] = "/") -> Response:
    """Show the login form. Set the cookie for its CSRF token unless the browser already has the cookie."""
    with app_state(request).transaction(AUTHENTICATION) as tx:
        has_no_users = authentication.has_no_users(tx)
    return _login_page(request, next_page, has_no_users=has_no_users)


@router.post("/login")
async def log_in(request: Request, form: Annotated[_LoginForm, Form()]) -> Response:
    """Log in and redirect to the page `next_page`. Raises PageError (503) if too many logins wait."""
    # Waiting here, before a thread is taken, leaves the threads to the other pages.
    limiter: CapacityLimiter = request.app.state.login_limiter
    if limiter.statistics().tasks_waiting >= WAITING_MAX:
        raise PageError(503, "Too many people are logging in.", "Try again in a minute.")
    return await to_thread.run_sync(_log_in, request, form, limiter=limiter)


def _log_in(request: Request, form: _LoginForm) -> Response:
    app = app_state(request)
    now, next_page = app.clock(), _own_address(form.next_page)
    secret = request.cookies.get(cookie_name(app.settings, _CSRF_COOKIE), "")
    if not secret or form.csrf != csrf_token(secret):
        raise PageError(403, "This form has expired.", "Allow cookies for this site, then reload the login page.")
    attempt = LoginAttempt(form.name.strip(), form.password, client_address(request))
    lifetime = timedelta(hours=app.settings.session_hours)
    with app.transaction(AUTHENTICATION) as tx:
        result = authentication.log_in(tx, attempt, now, lifetime)
    if result.token is None:
        return _login_page(request, next_page, name=attempt.name, problem=result.message)
    response = RedirectResponse(next_page, 303)
    response.set_cookie(
        cookie_name(app.settings, SESSION_COOKIE),
        result.token,
        max_age=round(lifetime.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=app.settings.console_https,
    )
    return response


@router.post("/logout")
def log_out(context: Viewer) -> Response:
    """End the session. Raises PageError (403) for a program's token, which is not a session."""
    if context.kind == "token":
        step = "It stays valid. Disable its user or set a new password to end it."
        raise PageError(403, "A token cannot log out.", step)
    with context.transaction() as tx:
        authentication.log_out(tx, context.token, context.user, context.now)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(cookie_name(context.app.settings, SESSION_COOKIE))
    return response


def _login_page(
    request: Request, next_page: str, *, name: str = "", problem: str = "", has_no_users: bool = False
) -> Response:
    app = app_state(request)
    # All tabs of a browser share one secret, so opening the page in another tab leaves the form of the first one valid.
    known = request.cookies.get(cookie_name(app.settings, _CSRF_COOKIE), "")
    secret = known if len(known) >= _SECRET_LENGTH_MIN else secrets.token_urlsafe(32)
    values = {"csrf": csrf_token(secret), "next_page": _own_address(next_page), "name": name, "problem": problem}
    message = read_flash(request, app.settings)
    page = app.render("login.html", values | {"has_no_users": has_no_users, "message": message})
    response = HTMLResponse(page, 401 if problem else 200)
    name = cookie_name(app.settings, _CSRF_COOKIE)
    response.set_cookie(name, secret, httponly=True, samesite="lax", secure=app.settings.console_https)
    if message:
        delete_flash(response, app.settings)
    return response


def _own_address(address: str) -> str:
    """Return the address if it leads to a page of this console, otherwise the address of the overview."""
    is_own = address.startswith("/") and address[1:2] not in {"/", "\\"} and address.isprintable()
    return address if is_own else "/"
