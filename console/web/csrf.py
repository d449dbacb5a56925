"""CSRF protection. Every form contains a token that is derived from a secret in the browser's cookie."""

import hashlib
import hmac

from fastapi import Request
from starlette.datastructures import FormData

from console.web.errors import PageError

CSRF_FIELD = "csrf"
"""The form field that contains the CSRF token."""


def csrf_token(secret: str) -> str:
    """Return the CSRF token for forms of a session. Only someone who has the secret can compute the token."""
    return hmac.new(secret.encode(), b"console form", hashlib.sha256).hexdigest()


def has_csrf_token(request: Request, form: FormData, secret: str) -> bool:
    """Return whether a form or the X-CSRF-Token header contains the CSRF token of a session."""
    given = request.headers.get("x-csrf-token") or form.get(CSRF_FIELD)
    return isinstance(given, str) and hmac.compare_digest(given.encode(), csrf_token(secret).encode())


def check_csrf_token(request: Request, form: FormData, secret: str) -> None:
    """Check the CSRF token in a form or in the X-CSRF-Token header.

    Raises PageError (403) if the token is missing or belongs to another session.
    """
    if not has_csrf_token(request, form, secret):
        raise PageError(403, "This form has expired. Nothing was changed.", "Go back, reload the page and try again.")
