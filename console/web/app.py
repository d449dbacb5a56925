"""The console put together: its pages, what each answer carries for safety, and how errors are told."""

from collections.abc import Awaitable, Callable

import structlog
from anyio import CapacityLimiter
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from config.engines import Engines
from config.settings import Settings
from console import errors
from console.web.context import AppState, RequestContext, app_state
from console.web.errors import LoginRequiredError, PageError
from console.web.origins import is_api_request, referring_page
from console.web.pages import (
    account,
    api,
    audit,
    balancing,
    claims_feed,
    clinics,
    exceptions,
    health,
    login,
    months,
    overview,
    payment_log,
    requeue_runs,
    timeline,
    users,
)
from console.web.rendering import FOLDER, make_templates, url
from payments.access.authentication import UserError
from payments.journeys.adjusting import AdjustmentError
from payments.journeys.closing import ClosingError
from payments.journeys.configuring import ClinicOfOtherCompanyError
from payments.journeys.reporting import TooManyRowsError
from payments.store.db.connection import connect
from tasks.resources import connect_redis

log = structlog.get_logger()

PAGES = (
    *(overview, claims_feed, requeue_runs, exceptions, account, payment_log, balancing, months, clinics, timeline),
    *(users, audit, login, health, api),
)
_REFUSALS = (AdjustmentError, ClosingError, ClinicOfOtherCompanyError, UserError, TooManyRowsError)
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_POOL = 8


def create_app(settings: Settings, engines: Engines) -> FastAPI:
    """Return the console's application. Nothing is connected before the first context."""
    app = FastAPI(
        title="Integrated patient payments",
        description="What the console's pages do, for programs. Show a token as `Authorization: Bearer ...`.",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.console = AppState(
        settings,
        engines,
        connect(engines.database_url, application_name="payments console", pool_size=_POOL),
        connect_redis(engines.redis_url),
        make_templates(),
    )
    app.state.log_ins = CapacityLimiter(login.AT_ONCE)
    for page in PAGES:
        app.include_router(page.router)
    app.mount("/static", StaticFiles(directory=FOLDER / "static"))
    app.middleware("http")(_guard)
    _tell_errors(app)
    return app


async def _guard(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Add to every answer what a browser has to know to keep it safe."""
    response = await answer(request)
    response.headers.update(_HEADERS)
    is_static = request.url.path.startswith("/static/")
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if is_static else "no-store"
    if request.app.state.console.settings.console_https:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    return response


def _tell_errors(app: FastAPI) -> None:
    app.add_exception_handler(LoginRequiredError, _on_login_needed)
    app.add_exception_handler(PageError, _on_page_error)
    app.add_exception_handler(RequestValidationError, _on_wrong_input)
    app.add_exception_handler(HTTPException, _on_http_error)
    for refusal in _REFUSALS:
        app.add_exception_handler(refusal, _on_refusal)
    app.add_exception_handler(Exception, _on_anything_else)


def tell(request: Request, status: int, sentence: str, next_step: str = "") -> Response:
    """Answer with one sentence and what to do next: a page for people, JSON for programs."""
    if is_api_request(request):
        return JSONResponse({"error": sentence, "next": next_step or None}, status)
    app = app_state(request)
    facts = {"sentence": sentence, "next_step": next_step, "back": referring_page(request)}
    context: RequestContext | None = getattr(request.state, "context", None)
    if context:
        answer = context.page("error.html", status, **facts)
    else:
        answer = HTMLResponse(app.render("error.html", facts | {"context": None}), status)
    # Once more, for an error that nobody expected is told past all that would add them.
    answer.headers.update(_HEADERS | {"Cache-Control": "no-store"})
    return answer


def _on_login_needed(request: Request, _: Exception) -> Response:
    if is_api_request(request):
        step = "Make a token with `payments users token NAME` and show it as a bearer token."
        return JSONResponse({"error": "No session or token was shown.", "next": step}, 401)
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = wanted if request.method == "GET" and wanted != "/" else None
    return RedirectResponse(url("/login", next=back), 303)


def _on_page_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PageError)  # noqa: S101 (it is registered for nothing else)
    return tell(request, error.status, error.sentence, error.next_step)


def _on_wrong_input(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 (as above)
    first = error.errors()[0]
    # Within a list the last of it is a number.
    field = next((each for each in reversed(first["loc"]) if isinstance(each, str)), "request")
    is_day = str(first["type"]).startswith("date_from_")
    said = "expected a day such as 2026-10-05" if is_day else str(first["msg"]).removeprefix("Value error, ")
    return tell(request, 422, f"{field}: {said}.", "Correct it and try again.")


def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 (as above)
    sentence = "There is no such page." if error.status_code == 404 else f"{error.detail}."
    answer = tell(request, error.status_code, sentence, "Start again from the overview.")
    answer.headers.update(error.headers or {})
    return answer


def _on_refusal(request: Request, error: Exception) -> Response:
    return tell(request, 409, f"{error}.", "Go back, load the page again and decide anew.")


def _on_anything_else(request: Request, error: Exception) -> Response:
    known = errors.sentence(error)
    log.error("page failed", path=request.url.path, error_class=type(error).__name__)
    if known:
        return tell(request, 503, f"{known}.", "Nothing was changed. Try again in a moment.")
    step = "Nothing was changed. Tell an operator what you did; the log of the console has the details."
    return tell(request, 500, "Something unexpected went wrong.", step)
