"""Logging in and out."""

import secrets
from datetime import timedelta
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import FormData

from console.web.auth import SESSION_COOKIE, FormFields, Viewer
from console.web.context import app_state
from console.web.csrf import csrf_token
from console.web.errors import PageError
from console.web.origins import client_address
from payments.access import authentication
from payments.access.authentication import Attempt

router = APIRouter(include_in_schema=False)

_SEED_COOKIE = "payments_login"
AT_ONCE = 2
"""So many passwords are checked at once, for each takes memory, a connection and every core on purpose."""
WAITING_MAX = 500
"""So many wait for that, and no more: who came later would hardly have the patience."""


@router.get("/login")
def show(request: Request, back: Annotated[str, Query(alias="next")] = "/") -> Response:
    """Show the form; the cookie set with it shows later that the form was ours."""
    app = app_state(request)
    with app.transaction() as tx:
        nobody_yet = authentication.nobody_yet(tx)
    return _form(request, back, nobody_yet=nobody_yet)


@router.post("/login")
async def log_in(request: Request, form: FormFields) -> Response:
    """Log in, and go where the visitor wanted to be."""
    # Who waits for their turn holds none of the threads that make the other pages, however many that are.
    limiter: CapacityLimiter = request.app.state.log_ins
    if limiter.statistics().tasks_waiting >= WAITING_MAX:
        raise PageError(503, "Too many people are logging in.", "Try again in a minute.")
    return await to_thread.run_sync(_log_in, request, form, limiter=limiter)


def _log_in(request: Request, form: FormData) -> Response:
    app = app_state(request)
    now, back = app.clock(), _own(form.get("next"))
    seed = request.cookies.get(_SEED_COOKIE, "")
    if not seed or form.get("csrf") != csrf_token(seed):
        raise PageError(403, "This form is out of date.", "Load the log-in page again; it needs cookies.")
    attempt = Attempt(str(form.get("name", "")).strip(), str(form.get("password", ""))[:1000], client_address(request))
    life = timedelta(hours=app.settings.session_hours)
    with app.transaction() as tx:
        admitted = authentication.log_in(tx, attempt, now, life)
    if admitted.token is None:
        return _form(request, back, name=attempt.name, problem=admitted.sentence)
    answer = RedirectResponse(back, 303)
    answer.delete_cookie(_SEED_COOKIE)
    answer.set_cookie(
        SESSION_COOKIE,
        admitted.token,
        max_age=round(life.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=app.settings.console_https,
    )
    return answer


@router.post("/logout")
def log_out(context: Viewer) -> Response:
    """End the session."""
    with context.app.transaction() as tx:
        authentication.log_out(tx, context.token, context.user, context.now)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(SESSION_COOKIE)
    return answer


def _form(request: Request, back: str, *, name: str = "", problem: str = "", nobody_yet: bool = False) -> Response:
    app = app_state(request)
    seed = secrets.token_urlsafe(32)
    facts = {"csrf": csrf_token(seed), "back": _own(back), "name": name, "problem": problem}
    answer = HTMLResponse(app.render("login.html", facts | {"nobody_yet": nobody_yet}), 401 if problem else 200)
    answer.set_cookie(_SEED_COOKIE, seed, httponly=True, samesite="strict", secure=app.settings.console_https)
    return answer


def _own(address: object) -> str:
    """Return an address of our own pages; anything that a browser might read as another app's is the overview."""
    is_ours = isinstance(address, str) and address.startswith("/") and address[1:2] not in {"/", "\\"}
    return str(address) if is_ours and str(address).isprintable() else "/"
