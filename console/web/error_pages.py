"""Error responses: a page for people, JSON for programs. Each has one sentence, and what to do next."""

from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from console import errors
from console.web.auth import session_context
from console.web.context import RequestContext, app_state
from console.web.errors import LoginRequiredError, PageError, PasswordChangeRequiredError, capitalized
from console.web.flash import set_flash
from console.web.invalid_filter import invalid_filter_page, query_models
from console.web.login_page import LoginView, login_page
from console.web.origins import SAFE_METHODS, is_api_request, referring_page
from console.web.rendering import url
from console.web.strictness import shown_name
from console.web.theme import chosen_theme
from payments.access.authentication import UserError
from payments.core.ambiguity import AmbiguousIdError
from payments.core.company_move import MoveError
from payments.core.conflict import ChangedMeanwhileError
from payments.core.deposit import DepositError
from payments.core.drawer import DrawerError
from payments.core.finding import DecisionError
from payments.core.manual_entry import EntryError
from payments.core.repayment import RepaymentError
from payments.core.transfer import TransferError
from payments.journeys.closing import ClosingError
from payments.journeys.configuring import ClinicOfOtherCompanyError
from payments.journeys.confirming import ConfirmationError
from payments.journeys.noting import NoteError
from payments.journeys.requeue_runs import MoreThanConfirmedError

log = structlog.get_logger()

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_NEXT_STEP_BY_CONFLICT: dict[type[Exception], str] = {
    AmbiguousIdError: "Choose one of the companies in the form, or add the parameter company to the address.",
    DecisionError: "Reload Billing Exceptions, check the exception and try again.",
    DepositError: "Go back, reload the entries to deposit and try again.",
    DrawerError: "Reload the drawer, correct the entry and try again.",
    EntryError: "Go back, correct the entry and try again.",
    RepaymentError: "Go back, correct the form and try again.",
    TransferError: "Go back, correct the transfer and try again.",
    ChangedMeanwhileError: "Reload the page and try again.",
    ClosingError: "Reload Months and check the state of the month.",
    ClinicOfOtherCompanyError: "Check which company the clinic belongs to.",
    NoteError: "Go back and change the note.",
    ConfirmationError: "Reload Unconfirmed ids, and check the payments, charges and exceptions of the id.",
    MoveError: "Make the change in the installation to which the company has moved.",
    MoreThanConfirmedError: "Go back: the page shows what matches now. Check it and confirm again.",
    UserError: "Go back, correct the entry and try again.",
}
"""Errors of the journeys, with the user's next step for each. The response to these errors has the status 409."""
_SESSION_ENDED_BEFORE_ACTION = "Your session has ended, so nothing was done. Log in, and fill in the form again."
LOGOUT_PATH = "/logout"
_OWN_ACCOUNT_PATH = "/own-account"
_SESSION_ENDED = "Your session has ended. Log in again to continue; your entry is kept."
_INCOMPLETE_ACTION_WARNING = "The action may be incomplete. Reload the page and check before you repeat it. "


def add_error_handlers(app: FastAPI) -> None:
    """Register the handlers for all kinds of errors."""
    app.add_exception_handler(LoginRequiredError, _on_login_required)
    app.add_exception_handler(PasswordChangeRequiredError, _on_password_change_required)
    app.add_exception_handler(PageError, _on_page_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_input)
    app.add_exception_handler(HTTPException, _on_http_error)
    for conflict in _NEXT_STEP_BY_CONFLICT:
        app.add_exception_handler(conflict, _on_conflict)
    app.add_exception_handler(Exception, _on_unexpected_error)


def error_response(request: Request, status: int, sentence: str, next_step: str = "") -> Response:
    """Return an error response: a page, or JSON for an API request."""
    if is_api_request(request):
        return JSONResponse({"error": sentence, "next": next_step or None}, status)
    values = {"sentence": sentence, "next_step": next_step, "back": referring_page(request)}
    context: RequestContext | None = getattr(request.state, "context", None)
    if context:
        response = context.page("error.html", status, **values)
    else:
        page = app_state(request).render("error.html", values | {"context": None, "theme": chosen_theme(request)})
        response = HTMLResponse(page, status)
    # The response to an unexpected error bypasses the middleware that adds them.
    response.headers.update(SECURITY_HEADERS | {"Cache-Control": "no-store"})
    return response


def _on_login_required(request: Request, error: Exception) -> Response:
    response = _ask_to_log_in(request, error)
    if request.headers.get("hx-request") != "true":
        return response
    # htmx changes a part of the page, and does so for successful answers only. The login needs the whole page.
    response.status_code = 200
    if "location" in response.headers:
        response.headers["HX-Redirect"] = response.headers["location"]
        del response.headers["location"]
    else:
        response.headers.update({"HX-Retarget": "body", "HX-Reswap": "innerHTML"})
    return response


def _ask_to_log_in(request: Request, error: Exception) -> Response:
    assert isinstance(error, LoginRequiredError)  # noqa: S101 (registered for this class alone)
    is_change = request.method not in SAFE_METHODS
    if is_api_request(request):
        step = "Create a token with `payments users token NAME` and send it as a bearer token."
        nothing = " Nothing was changed." if is_change else ""
        return JSONResponse({"error": f"The request has no valid session or token.{nothing}", "next": step}, 401)
    if error.sent and request.url.path != LOGOUT_PATH:
        sent = error.sent
        return login_page(request, LoginView(next_page=sent.page, name=sent.user, problem=_SESSION_ENDED, sent=sent))
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    next_page = referring_page(request) if is_change else wanted
    response = RedirectResponse(url("/login", next=next_page if next_page != "/" else None), 303)
    if is_change and request.url.path != LOGOUT_PATH:
        set_flash(response, app_state(request).settings, _SESSION_ENDED_BEFORE_ACTION)
    return response


def _on_password_change_required(request: Request, _: Exception) -> Response:
    if is_api_request(request):
        step = "Log in to the console, and choose a new password."
        return JSONResponse({"error": "The password of this user is temporary.", "next": step}, 403)
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(url(_OWN_ACCOUNT_PATH, next=wanted if request.method in SAFE_METHODS else "/"), 303)


def _on_page_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PageError)  # noqa: S101 (registered for this class alone)
    if error.field:
        alert = f"{error.sentence} {error.next_step}".strip()
        page = invalid_filter_page(request, {error.field: error.sentence}, error.status, alert)
        if page:
            return page
    return error_response(request, error.status, error.sentence, error.next_step)


def _on_invalid_input(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 (as above)
    # A misspelt key is also missing under its right name; naming the misspelt one helps more.
    found = error.errors()
    first = next((each for each in found if each["type"] == "extra_forbidden"), found[0])
    field = _field_name(first)
    label = field if is_api_request(request) else _field_label(request, field)
    if first["type"] == "missing" and first["loc"][0] == "body" and not is_api_request(request):
        return error_response(request, 422, f"The form is incomplete: {label} is missing.", "Go back and complete it.")
    is_unknown = first["type"] == "extra_forbidden"
    problem = "no such field" if is_unknown else _problem_text(first)
    sentence = f"{shown_name(label)}: {problem}." if label or is_unknown else f"{problem}."
    if is_api_request(request):
        return error_response(request, 422, sentence, "Correct it and try again.")
    messages = {_field_name(each): capitalized(f"{_problem_text(each)}.") for each in found}
    page = invalid_filter_page(request, messages, 422, capitalized(sentence))
    return page or error_response(request, 422, capitalized(sentence), "Correct it and try again.")


def _field_name(error: Mapping[str, Any]) -> str:
    """Return the name of the wrong field. In a list, the index of the wrong element is left out."""
    return next((each for each in reversed(error["loc"][1:]) if isinstance(each, str)), "")


def _problem_text(error: Mapping[str, Any]) -> str:
    return str(error["msg"]).removeprefix("Value error, ")


def _field_label(request: Request, field: str) -> str:
    """Return the label of a field in the form of a report. A field without a label gets its name as words."""
    titles = (model.model_fields.get(field) for model in query_models(request.scope["route"].dependant))
    return next((each.title for each in titles if each and each.title), field.replace("_", " "))


def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 (as above)
    if not is_api_request(request) and not hasattr(request.state, "context"):
        request.state.context = session_context(request)
    if isinstance(error.__cause__, PageError):  # raised while FastAPI read the body
        return _on_page_error(request, error.__cause__)
    sentence = "This page does not exist." if error.status_code == 404 else f"{error.detail}."
    response = error_response(request, error.status_code, sentence, "Go to the overview.")
    response.headers.update(error.headers or {})
    return response


def _on_conflict(request: Request, error: Exception) -> Response:
    step = next(step for conflict, step in _NEXT_STEP_BY_CONFLICT.items() if isinstance(error, conflict))
    # The message of a ClosingError begins with the company's id, which keeps its case.
    sentence = f"{error}." if isinstance(error, ClosingError) else capitalized(f"{error}.")
    return error_response(request, 409, sentence, step)


def _on_unexpected_error(request: Request, error: Exception) -> Response:
    sentence = errors.describe_error(error)
    log.error("page_failed", path=request.url.path, error_class=type(error).__name__, detail=sentence)
    warning = "" if request.method == "GET" else _INCOMPLETE_ACTION_WARNING
    if sentence:
        step = f"{warning}Try again in a moment; if it persists, tell an operator."
        return error_response(request, 503, "Billing is temporarily unavailable.", step)
    step = f"{warning}Tell an operator what you did; the console's log has the details."
    return error_response(request, 500, "An unexpected error occurred.", step)
