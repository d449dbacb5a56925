"""Flash messages: one sentence about what was done, shown once on the next page and carried there in a cookie."""

from urllib.parse import quote, unquote

from fastapi import Request, Response

FLASH_COOKIE = "payments_flash"
_LENGTH_MAX = 900
_SECONDS_MAX = 60


def set_flash(response: Response, message: str, *, secure: bool) -> None:
    """Store the message for the next page; `secure` limits the cookie to https."""
    value = quote(message[:_LENGTH_MAX])
    response.set_cookie(FLASH_COOKIE, value, max_age=_SECONDS_MAX, httponly=True, samesite="lax", secure=secure)


def read_flash(request: Request) -> str:
    """Return the stored message, or an empty text."""
    return unquote(request.cookies.get(FLASH_COOKIE, ""))
