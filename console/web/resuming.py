"""After a new login, show a form again with the values that the user entered before the session expired.

The values are kept only in the pages that browser and console exchange, never in a file, a cookie or a table.
"""

from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from console.web.context import app_state
from console.web.cookies import cookie_name
from console.web.errors import SentForm
from console.web.flash import FLASH_COOKIE
from console.web.form_filling import fill_form
from console.web.theme import chosen_theme

_KEPT_HEADERS = frozenset({b"host", b"user-agent", b"accept", b"accept-language", b"x-forwarded-for"})
_RESTORED_MESSAGE = "You are logged in again. Nothing was saved yet: check your entry below, and send it again."
_HIDDEN_FIELDS = frozenset({"back", "version", "company", "seen"})


async def resumed_page(request: Request, sent: SentForm, session_cookie: str) -> Response:
    """Return the page of a form, filled in with the submitted values.

    `session_cookie` is the cookie of the new session.

    If the page no longer contains the form, return a page that lists the values.
    """
    flash = f"{cookie_name(app_state(request).settings, FLASH_COOKIE)}={quote(_RESTORED_MESSAGE)}"
    cookies = _other_cookies(request, session_cookie, flash)
    status, headers, body = await _get_page(request, sent.page, "; ".join([*cookies, session_cookie, flash]))
    is_page = status == 200 and headers.get("content-type", "").startswith("text/html")
    filled = fill_form(body.decode(), sent.path, sent.fields) if is_page else None
    if filled is None:
        theme = chosen_theme(request)
        entries = [(name.replace("_", " "), value) for name, value in sent.fields if _is_listed(name, value)]
        filled = app_state(request).render("resumed.html", {"sent": sent, "entries": entries, "theme": theme})
    response = HTMLResponse(filled)
    response.delete_cookie(cookie_name(app_state(request).settings, FLASH_COOKIE))
    return response


def _is_listed(name: str, value: str) -> bool:
    return bool(value.strip()) and name.partition("_")[0] not in _HIDDEN_FIELDS


def _other_cookies(request: Request, *replaced: str) -> list[str]:
    names = {each.partition("=")[0] for each in replaced}
    return [f"{name}={value}" for name, value in request.cookies.items() if name not in names]


async def _get_page(request: Request, address: str, cookies: str) -> tuple[int, dict[str, str], bytes]:
    """Request a page of this console as a browser with these cookies. Return its status, headers and body."""
    parts = urlsplit(address)
    kept = ("type", "asgi", "http_version", "scheme", "server", "client", "root_path", "extensions")
    scope: dict[str, Any] = {name: request.scope[name] for name in kept if name in request.scope} | {
        "method": "GET",
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "headers": [
            *(each for each in request.scope["headers"] if each[0] in _KEPT_HEADERS),
            (b"cookie", cookies.encode()),
        ],
    }
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await request.app(scope, receive, send)
    start = next(each for each in messages if each["type"] == "http.response.start")
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in start["headers"]}
    return start["status"], headers, b"".join(each.get("body", b"") for each in messages)
