"""The login page. It replaces the requested page if the session has expired, and keeps a form that was submitted."""

import json
import secrets
from dataclasses import asdict, dataclass

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from pydantic import TypeAdapter, ValidationError

from config.settings import Settings
from console.web.context import app_state
from console.web.cookies import cookie_name
from console.web.csrf import csrf_token
from console.web.errors import PageError, SentForm
from console.web.flash import delete_flash, read_flash
from console.web.theme import chosen_theme

_CSRF_COOKIE = "payments_login"
_SECRET_LENGTH_MIN = 43
_SENT_FORM_ADAPTER = TypeAdapter(SentForm)


@dataclass(frozen=True, kw_only=True)
class LoginView:
    """The values that the login page shows.

    `sent` is a form that was submitted after the session expired. It is shown again after the login.
    """

    next_page: str
    name: str = ""
    problem: str = ""
    has_no_users: bool = False
    sent: SentForm | None = None


def login_page(request: Request, view: LoginView) -> Response:
    """Return the login page. If the browser does not have the cookie for the CSRF token, set it."""
    app = app_state(request)
    # All tabs of a browser share one secret, so opening the page in another tab leaves the form of the first one valid.
    known = login_secret(request)
    secret = known if len(known) >= _SECRET_LENGTH_MIN else secrets.token_urlsafe(32)
    message = read_flash(request, app.settings)
    values = {
        "csrf": csrf_token(secret),
        "view": view,
        "sent": json.dumps(asdict(view.sent)) if view.sent else "",
        "message": message,
        "theme": chosen_theme(request),
    }
    page = app.render("login.html", values)
    response = HTMLResponse(page, 401 if view.problem or view.sent else 200)
    _set_login_cookie(response, app.settings, secret)
    if message:
        delete_flash(response, app.settings)
    return response


def login_secret(request: Request) -> str:
    """Return the secret that protects the login forms of a browser. It is empty if the browser has no cookie."""
    return request.cookies.get(cookie_name(app_state(request).settings, _CSRF_COOKIE), "")


def parse_sent_form(text: str) -> SentForm | None:
    """Return the submitted form that a login page has kept. For an empty text, return None.

    Raises PageError (422) for any other text.
    """
    if not text:
        return None
    try:
        sent = _SENT_FORM_ADAPTER.validate_json(text)
    except ValidationError:
        raise PageError(422, "Your saved entry could not be restored.", "Log in, and fill in the form again.") from None
    return sent if checked_return_address(sent.page) == sent.page else None


def checked_return_address(address: str) -> str:
    """Return the address if it leads to a page of this console, otherwise the address of the overview."""
    is_own = address.startswith("/") and address[1:2] not in {"/", "\\"} and address.isprintable()
    return address if is_own else "/"


def _set_login_cookie(response: Response, settings: Settings, secret: str) -> None:
    name = cookie_name(settings, _CSRF_COOKIE)
    response.set_cookie(name, secret, httponly=True, samesite="lax", secure=settings.console_https)
