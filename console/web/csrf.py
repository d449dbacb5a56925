"""CSRF protection: every form has a token that is derived from a secret in the browser's cookie."""

import hashlib
import hmac

from fastapi import Request
from starlette.datastructures import FormData

from console.web.errors import PageError


def csrf_token(secret: str) -> str:
    """Return the CSRF token for the forms of a session. The token cannot be computed without the secret."""
    return hmac.new(secret.encode(), b"console form", hashlib.sha256).hexdigest()


def check_csrf_token(request: Request, form: FormData, secret: str) -> None:
    """Check the CSRF token in a form or in the X-CSRF-Token header.

    Raises PageError (403) if the token is missing or belongs to another session.
    """
    given = request.headers.get("x-csrf-token") or form.get("csrf")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), csrf_token(secret).encode()):
        raise PageError(403, "This form has expired. Nothing was changed.", "Go back, reload the page and try again.")
