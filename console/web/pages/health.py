"""Endpoints for monitoring: the health check and the Prometheus metrics."""

import hmac

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from console.web.context import app_state
from console.web.errors import PageError
from console.web.metrics import exposition
from payments.store.db.connection import UnsuitableDatabaseError, is_reachable

router = APIRouter(include_in_schema=False)
log = structlog.get_logger()


@router.get("/alive")
async def alive() -> Response:
    """Answer as long as the console runs, even if its database does not answer. The endpoint needs no login.

    A supervisor requests this endpoint, and restarts a console that does not answer. The database is not checked,
    because restarting the console would not help it.
    """
    return JSONResponse({"status": "alive"})


@router.get("/health")
def health(request: Request) -> Response:
    """Return whether the console and its database answer. The endpoint needs no login and returns no other data.

    The status is 503 if the database does not answer or cannot be used, for example without row-level security.
    """
    app = app_state(request)
    try:
        status = "ok" if is_reachable(app.database) else "database does not answer"
    except UnsuitableDatabaseError as error:
        log.warning("database_unsuitable", detail=str(error))
        status = "database cannot be used; the console's log says why"
    return JSONResponse({"status": status}, 200 if status == "ok" else 503)


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Return the metrics. The request must contain the token of PAYMENTS_METRICS_TOKEN."""
    app = app_state(request)
    token = app.settings.metrics_token
    if token is None:
        raise PageError(404, "There is no such page.", "To enable it, set PAYMENTS_METRICS_TOKEN.")
    header = request.headers.get("authorization", "").encode()
    if not hmac.compare_digest(header, f"Bearer {token.get_secret_value()}".encode()):
        raise PageError(401, "The token for /metrics is missing or incorrect.", "Send it as a bearer token.")
    return Response(exposition(app, app.clock()), media_type="text/plain; version=0.0.4; charset=utf-8")
