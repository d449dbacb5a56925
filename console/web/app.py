"""The console's web application: its pages, security headers and error handlers."""

from collections.abc import Awaitable, Callable

from anyio import CapacityLimiter
from fastapi import FastAPI, Request, Response
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.staticfiles import StaticFiles
from starlette.routing import Route

from config.engines import Engines
from config.settings import Settings
from console.web.body_limit import BodyLimit
from console.web.context import AppState
from console.web.error_pages import SECURITY_HEADERS, add_error_handlers
from console.web.pages import (
    account,
    api,
    api_balancing,
    api_deposits,
    api_drawers,
    api_entries,
    api_exceptions,
    api_front_desk,
    api_overview,
    api_refunds,
    api_refused_event,
    api_requeue,
    api_search,
    api_transfers,
    audit,
    balancing,
    balancing_export,
    claims_feed,
    clinics,
    company,
    deposit_slip,
    deposits,
    drawers,
    emr_logs,
    exception,
    exceptions,
    exceptions_bulk,
    health,
    help_page,
    login,
    manual_entries,
    months,
    not_in_billing,
    notes,
    operations,
    overview,
    own_account,
    patient,
    payment_log,
    refunds,
    refused_event,
    requeue_runs,
    saved_views,
    search,
    timeline,
    today,
    transfers,
    trends,
    unconfirmed,
    user_list,
    users,
    will_it_flow,
)
from console.web.rendering import FOLDER, create_templates, static_urls
from payments.store.db.isolation import connect_isolated
from tasks.resources import connect_redis

PAGES = (
    *(overview, claims_feed, requeue_runs, exceptions, exceptions_bulk, exception, notes, account, payment_log),
    *(balancing, months, clinics, timeline, company, deposit_slip, saved_views, unconfirmed, user_list, users),
    *(audit, login, own_account, health, help_page, operations),
    *(api, api_entries, api_refunds, api_transfers, api_exceptions, api_front_desk, api_overview, api_requeue),
    *(trends, search, api_search, not_in_billing, manual_entries, refunds, transfers, drawers, api_drawers),
    *(deposits, api_deposits),
    *(balancing_export, emr_logs, api_balancing, today, will_it_flow, patient, refused_event, api_refused_event),
)
_POOL_SIZE = 8
STATIC_URLS = frozenset(static_urls().values())


def create_app(settings: Settings, engines: Engines) -> FastAPI:
    """Return the console's application. It connects to PostgreSQL and Redis on the first request."""
    app = FastAPI(
        title="Integrated patient payments",
        description="The functions of the console's pages for programs. Send a token as `Authorization: Bearer ...`.",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.console = AppState(
        settings,
        engines,
        connect_isolated(engines.database_url, application_name="payments console", pool_size=_POOL_SIZE),
        connect_redis(engines.redis_url),
        create_templates(),
    )
    app.state.login_limiter = CapacityLimiter(login.CONCURRENT_LOGINS)
    for page in PAGES:
        app.include_router(page.router)
    app.state.paths = page_paths()
    # Pages are not compressed: they hold CSRF tokens beside text that a visitor may have chosen.
    app.mount("/static", GZipMiddleware(StaticFiles(directory=FOLDER / "static"), minimum_size=1_000))
    app.add_middleware(BodyLimit)
    app.middleware("http")(_add_security_headers)
    add_error_handlers(app)
    return app


def page_paths() -> frozenset[str]:
    """Return the paths of all pages that accept GET. The navigation links to no other pages."""
    routes = (route for page in PAGES for route in page.router.routes)
    return frozenset(route.path for route in routes if isinstance(route, Route) and "GET" in (route.methods or ()))


async def _add_security_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Add the security and caching headers to every response."""
    response = await call_next(request)
    response.headers.update(SECURITY_HEADERS)
    response.headers["Cache-Control"] = _cache_control(request, response)
    if request.app.state.console.settings.console_https:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    return response


def _cache_control(request: Request, response: Response) -> str:
    """Return the value of Cache-Control: a year for a static file with a hash in its address, otherwise `no-store`.

    Errors are not cached, because the next request can succeed. Static files without a hash can change.
    """
    address = f"{request.url.path}?{request.url.query}"
    is_found = response.status_code in {200, 206, 304}
    return "public, max-age=31536000, immutable" if is_found and address in STATIC_URLS else "no-store"
