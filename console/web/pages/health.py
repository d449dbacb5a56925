"""What machines ask for: whether the console works, and the figures of the whole for Prometheus."""

import hmac

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from console.web.context import app_state
from console.web.errors import PageError
from console.web.metrics import exposition
from payments.store.db.connection import is_answering

router = APIRouter(include_in_schema=False)


@router.get("/health")
def health(request: Request) -> Response:
    """Say whether the console and its database answer; nothing else is told to strangers."""
    app = app_state(request)
    works = is_answering(app.database)
    return JSONResponse({"status": "ok" if works else "database does not answer"}, 200 if works else 503)


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Return the figures to who shows the token of PAYMENTS_METRICS_TOKEN."""
    app = app_state(request)
    token = app.settings.metrics_token
    if token is None:
        raise PageError(404, "There is no such page.", "Set PAYMENTS_METRICS_TOKEN to have one.")
    shown = request.headers.get("authorization", "").encode()
    if not hmac.compare_digest(shown, f"Bearer {token.get_secret_value()}".encode()):
        raise PageError(401, "The token for /metrics is not right.", "Show it as a bearer token.")
    return Response(exposition(app, app.clock()), media_type="text/plain; version=0.0.4; charset=utf-8")
