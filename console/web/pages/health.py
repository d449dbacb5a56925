"""Endpoints for monitoring: the health check and the Prometheus metrics."""

import hmac

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from console.web.context import app_state
from console.web.errors import PageError
from console.web.metrics import exposition
from payments.store.db.connection import is_reachable

router = APIRouter(include_in_schema=False)


@router.get("/health")
def health(request: Request) -> Response:
    """Return whether the console and its database answer. The endpoint needs no login and shows nothing else."""
    app = app_state(request)
    is_healthy = is_reachable(app.database)
    return JSONResponse({"status": "ok" if is_healthy else "database does not answer"}, 200 if is_healthy else 503)


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Return the metrics. The request must carry the token of PAYMENTS_METRICS_TOKEN."""
    app = app_state(request)
    token = app.settings.metrics_token
    if token is None:
        raise PageError(404, "There is no such page.", "To enable it, set PAYMENTS_METRICS_TOKEN.")
    header = request.headers.get("authorization", "").encode()
    if not hmac.compare_digest(header, f"Bearer {token.get_secret_value()}".encode()):
        raise PageError(401, "The token for /metrics is missing or incorrect.", "Send it as a bearer token.")
    return Response(exposition(app, app.clock()), media_type="text/plain; version=0.0.4; charset=utf-8")
