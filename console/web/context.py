"""The state of the application, and the context of one request with its user and time."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from urllib.parse import unquote, urlencode
from zoneinfo import ZoneInfo

import redis
from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment

from config.engines import Engines
from config.settings import Settings
from console.actor import Actor
from console.web import navigation
from console.web.csrf import csrf_token
from console.web.errors import PageError
from console.web.flash import delete_flash, read_flash, set_flash
from console.web.help_on_page import HelpOnPage
from console.web.origins import client_address
from console.web.theme import chosen_theme
from payments.access.rights import Right, User
from payments.core.scope import Scope
from payments.core.timezone import known_timezones
from payments.journeys import choosing
from payments.journeys.choosing import OutOfScopeError, ScopeChoice, UnknownNameError
from payments.store.db import connection
from payments.store.db.connection import Database, Transaction
from payments.store.db.isolation import Access, with_access
from tasks.feed.lag import FeedLag
from tasks.feed.streams import FeedStats, Streams

ZONE_COOKIE = "payments_zone"
"""The cookie with the browser's time zone. A script sets it. Without the cookie, times are shown in UTC."""


class FeedFigures(NamedTuple):
    """The statistics of the feed, and the age of its oldest entry. The age is None if the feed is empty."""

    stats: FeedStats
    lag: timedelta | None


@dataclass(frozen=True)
class AppState:
    """The settings, connections and templates that all pages in this process share."""

    settings: Settings
    engines: Engines
    database: Database
    feed: redis.Redis
    templates: Environment
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    feed_lag: FeedLag = field(default_factory=FeedLag)

    @property
    def flower_url(self) -> str:
        """The address of Flower, for operators. Flower shows the Celery tasks."""
        return self.settings.flower_address

    def feed_figures(self, now: datetime) -> FeedFigures | None:
        """Return the statistics and the lag of the feed, or None if Redis does not answer."""
        try:
            stats = Streams.from_settings(self.feed, self.settings).stats(now)
        except redis.RedisError:
            return None
        return FeedFigures(stats, self.feed_lag.measure(stats.oldest_ids, now))

    def transaction(self, access: Access) -> AbstractContextManager[Transaction]:
        """Open a transaction on the ledger. It is committed at the end of the block.

        PostgreSQL limits the transaction to `access`. Pages use `RequestContext.transaction` instead.
        `tests/house/test_isolation.py` lists all other callers with their reasons.
        """
        return connection.transaction(with_access(self.database, access))

    def snapshot_transaction(self, access: Access) -> AbstractContextManager[Transaction]:
        """Open a transaction whose queries all see the same snapshot, for a page with several queries."""
        return connection.snapshot_transaction(with_access(self.database, access))

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """Render a template."""
        return self.templates.get_template(template).render(values)


def app_state(request: Request) -> AppState:
    """Return the state of the application that serves a request."""
    state: AppState = request.app.state.console
    return state


@dataclass(frozen=True)
class RequestContext:
    """A request of an authenticated user. `now` is the time of the request.

    `token` is the secret of a session or of an API token. `kind` says which: `session` or `token`.
    """

    app: AppState
    request: Request
    user: User
    token: str = field(repr=False)
    kind: str
    now: datetime

    @property
    def access(self) -> Access:
        """The access that PostgreSQL grants to the request: to the rows of the user's companies."""
        return Access(self.user.scope.companies)

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that PostgreSQL limits to the user's companies.

        It is committed at the end of the block.
        """
        return self.app.transaction(self.access)

    def snapshot_transaction(self) -> AbstractContextManager[Transaction]:
        """Open a transaction like `transaction`, for a page with several queries.

        All of its queries see the same snapshot.
        """
        return self.app.snapshot_transaction(self.access)

    @property
    def actor(self) -> Actor:
        """The user with the time and the IP address of the request, for actions that the audit history records."""
        return Actor(self.now, self.user.audit_name, client_address(self.request))

    @property
    def csrf(self) -> str:
        """The CSRF token for forms of this session."""
        return csrf_token(self.token)

    @property
    def zone(self) -> ZoneInfo:
        """The user's time zone, in which pages show times. Days are in the time zones of the companies."""
        name = unquote(self.request.cookies.get(ZONE_COOKIE, ""))
        return ZoneInfo(name if name in known_timezones() else "UTC")

    def today_in(self, scope: Scope) -> date:
        """Return the current date of the companies in a scope. If their time zones differ, return the latest date."""
        with self.transaction() as tx:
            return choosing.current_day(tx, scope, self.now)

    def day_bounds(self, since: date | None, until: date | None) -> tuple[datetime | None, datetime | None]:
        """Return when the day `since` begins and when the day `until` ends. The result for a missing day is None.

        Days are in the time zone of the user's companies. If their time zones differ, days are in the time zone of the
        installation.
        """
        with self.transaction() as tx:
            zone = choosing.zone_of(tx, self.user.scope, self.app.settings.default_timezone)
        after = until + timedelta(days=1) if until else None
        begin, end = (datetime.combine(each, time(), zone) if each else None for each in (since, after))
        return begin, end

    def may(self, right: str) -> bool:
        """Return whether the user has a right. Templates hide the controls for which the user has no right."""
        return self.user.may(Right(right))

    def scope_of(self, choice: ScopeChoice) -> Scope:
        """Return the user's scope, limited to the company, clinic or patient that the request has chosen.

        - Raises PageError (404) if Billing does not have the company or clinic.
        - Raises PageError (403) if the user cannot see the company or clinic.
        - Raises AmbiguousIdError if several companies of the user have the clinic or patient.
        """
        if choice == ScopeChoice():
            return self.user.scope
        try:
            with self.transaction() as tx:
                return choosing.choose_scope(tx, self.user.scope, choice)
        except OutOfScopeError as error:
            kind, _, _ = error.subject.partition(" ")
            step = "Choose one of your clinics." if kind == "clinic" else "Choose one of your companies."
            sentence = f"Your account does not include {error.subject}."
            raise PageError(403, sentence, step, field=kind) from None
        except UnknownNameError as error:
            kind, _, _ = error.subject.partition(" ")
            sentence = f"There is no {error.subject}."
            raise PageError(404, sentence, f"Choose a {kind} from the list.", field=kind) from None

    def audit(
        self, tx: Transaction, action: str, subject: str = "", detail: str = "", company_id: str | None = None
    ) -> None:
        """Record in the audit history that the user did or viewed something.

        `company_id` is the company of the subject. It is None if the subject is the installation or several companies.
        """
        self.actor.record(tx, action, subject, detail, company_id)

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """Render a page. If the previous page has set a flash message, show it once."""
        message = read_flash(self.request, self.app.settings)
        shared = {"context": self, "user": self.user, "csrf": self.csrf, "message": message, "zone": self.zone}
        shared |= self._frame_values()
        response = HTMLResponse(self.app.render(template, shared | values), status)
        if message:
            delete_flash(response, self.app.settings)
        return response

    def _frame_values(self) -> dict[str, Any]:
        """Return the values for the frame of a page: the navigation, and the links of the header."""
        existing: frozenset[str] = self.request.app.state.paths
        path = self.request.url.path
        return {
            "path": path,
            "help_on_page": HelpOnPage(),
            "theme": chosen_theme(self.request),
            "navigation": navigation.groups_for(self.user, path, existing, self.app.flower_url),
            "has_search": navigation.SEARCH in existing,
            "has_own_account": navigation.OWN_ACCOUNT in existing,
        }

    def redirect(self, url: str, message: str = "") -> Response:
        """Redirect to another page, which shows `message`."""
        response = RedirectResponse(url, 303)
        if message:
            set_flash(response, self.app.settings, message)
        return response

    def link(self, **changes: object) -> str:
        """Return the address of this page with other values for some parameters. None removes a parameter."""
        kept = dict(self.request.query_params) | changes
        query = {name: value for name, value in kept.items() if value not in (None, "")}
        return f"{self.request.url.path}?{urlencode(query)}" if query else self.request.url.path
