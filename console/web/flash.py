"""Flash messages: one sentence about an action. A cookie holds the sentence until the next page shows it."""

from urllib.parse import quote, unquote

from fastapi import Request, Response

from config.settings import Settings
from console.web.cookies import cookie_name

FLASH_COOKIE = "payments_flash"
_LENGTH_MAX = 900
_SECONDS_MAX = 60


def set_flash(response: Response, settings: Settings, message: str) -> None:
    """Store a message for the next page."""
    value, is_https = quote(message[:_LENGTH_MAX]), settings.console_https
    name = cookie_name(settings, FLASH_COOKIE)
    response.set_cookie(name, value, max_age=_SECONDS_MAX, httponly=True, samesite="lax", secure=is_https)


def read_flash(request: Request, settings: Settings) -> str:
    """Return the stored message. If there is none, return an empty text."""
    return unquote(request.cookies.get(cookie_name(settings, FLASH_COOKIE), ""))


def delete_flash(response: Response, settings: Settings) -> None:
    """Delete the stored message, after a page has shown it."""
    response.delete_cookie(cookie_name(settings, FLASH_COOKIE))
