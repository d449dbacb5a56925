"""Who visits a page: the session behind a cookie or token, the right that the page asks for, the forgery check."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Annotated, Any
from urllib.parse import quote, unquote, urlencode
from zoneinfo import ZoneInfo, available_timezones

import redis
from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment
from starlette.datastructures import FormData

from config.engines import Engines
from config.settings import Settings
from console.web.origins import SAFE_METHODS, address_of
from payments.access import authentication
from payments.access.authentication import AuditEntry
from payments.access.rights import Right, User
from payments.store.db import connection
from payments.store.db.connection import Database, Transaction
from tasks.feed.stream import FeedFigures
from tasks.feed.streams import Streams

SESSION_COOKIE, SAID_COOKIE = "payments_session", "payments_said"
ZONE_COOKIE = "payments_zone"
"""Where the visitor's browser says in which time zone it is; without scripts it does not, and times are UTC."""
NUL_SENTENCE = "it holds a NUL character, which PostgreSQL does not store"
"""What is said of a text that no keyboard writes."""


class PageError(Exception):
    """A page cannot do what it was asked: the status, one sentence, and what to do next."""

    def __init__(self, status: int, sentence: str, next_step: str = "") -> None:
        self.status, self.sentence, self.next_step = status, sentence, next_step
        super().__init__(sentence)


class LoginNeededError(Exception):
    """Nobody is logged in here."""


@dataclass(frozen=True)
class Site:
    """What all pages of this process work with."""

    settings: Settings
    engines: Engines
    database: Database
    feed: redis.Redis
    templates: Environment
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def flower_url(self) -> str:
        """Where operators find Flower."""
        return self.settings.flower_address

    def feed_figures(self) -> FeedFigures | None:
        """Return how the feed stands, None while Redis does not answer."""
        try:
            return Streams(self.feed, self.settings.stream, self.settings.streams).figures()
        except redis.RedisError:
            return None

    def ledger(self) -> AbstractContextManager[Transaction]:
        """Open a transaction on the ledger, and commit it at the end."""
        return connection.transaction(self.database)

    def snapshot_transaction(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that sees the ledger as of one moment, for a page that asks more than once."""
        return connection.snapshot_transaction(self.database)

    def render(self, template: str, facts: Mapping[str, Any]) -> str:
        """Return a page's text."""
        return self.templates.get_template(template).render(facts)


@dataclass(frozen=True)
class Visit:
    """One request of somebody who is known, at one moment."""

    site: Site
    request: Request
    user: User
    token: str = field(repr=False)
    form: FormData = field(repr=False)
    now: datetime

    @property
    def csrf(self) -> str:
        """What every form of this session carries."""
        return forgery_token(self.token)

    @property
    def zone(self) -> ZoneInfo:
        """The visitor's time zone: times are shown in it, and days begin in it."""
        named = unquote(self.request.cookies.get(ZONE_COOKIE, ""))
        return ZoneInfo(named if named in _zones() else "UTC")

    @property
    def today(self) -> date:
        """The day that it is where the visitor is."""
        return self.now.astimezone(self.zone).date()

    def start_of(self, day: date | None, days_later: int = 0) -> datetime | None:
        """Return the first moment of a day where the visitor is, or of one some days later."""
        return datetime.combine(day + timedelta(days=days_later), time(), self.zone) if day else None

    def may(self, right: str) -> bool:
        """Say whether the visitor has a right; templates hide what would be refused anyway."""
        return self.user.may(Right(right))

    def note(self, tx: Transaction, action: str, subject: str = "", detail: str = "") -> None:
        """Write down what the visitor does or looks at."""
        authentication.note(
            tx,
            AuditEntry(self.now, self.user.signature, action, subject[:300], detail[:1000], address_of(self.request)),
        )

    def page(self, template: str, status: int = 200, **facts: Any) -> Response:
        """Answer with a page; what was said to the visitor by the page before is shown once."""
        said = unquote(self.request.cookies.get(SAID_COOKIE, ""))
        shown = {"visit": self, "user": self.user, "csrf": self.csrf, "said": said, "path": self.request.url.path}
        shown |= {"zone": self.zone}
        answer = HTMLResponse(self.site.render(template, shown | facts), status)
        if said:
            answer.delete_cookie(SAID_COOKIE)
        return answer

    def go(self, url: str, said: str = "") -> Response:
        """Send the visitor on to another page of ours, which says what was done."""
        answer = RedirectResponse(url, 303)
        if said:
            answer.set_cookie(
                SAID_COOKIE,
                quote(said[:900]),
                max_age=60,
                httponly=True,
                samesite="lax",
                secure=self.site.settings.console_https,
            )
        return answer

    def link(self, **changes: object) -> str:
        """Return the address of this page with some parameters changed; None takes one out."""
        kept = dict(self.request.query_params) | changes
        query = {name: value for name, value in kept.items() if value not in (None, "")}
        return f"{self.request.url.path}?{urlencode(query)}" if query else self.request.url.path


async def read_form(request: Request) -> FormData:
    """Return what a form sent; nothing for a request without one. Raises PageError for what cannot be stored."""
    if request.method in SAFE_METHODS:
        return FormData()
    form = await request.form()
    for name, value in form.multi_items():
        if isinstance(value, str) and "\0" in value:
            raise PageError(422, f"{name}: {NUL_SENTENCE}.", "Correct it and try again.")
    return form


Form = Annotated[FormData, Depends(read_form)]


class RequireRight:
    """The right that a page asks for; a test sees to it that each page has one."""

    def __init__(self, right: Right) -> None:
        self.right = right

    def __call__(self, request: Request, form: Form) -> Visit:
        """Return the visit, or refuse it."""
        site: Site = request.app.state.site
        now = site.clock()
        token, kind = _shown(request)
        with site.ledger() as tx:
            user = authentication.recognise(tx, token, kind, now) if token else None
        if user is None:
            raise LoginNeededError
        visit = Visit(site, request, user, token, form, now)
        # A refusal is told within the visitor's own pages.
        request.state.visit = visit
        if kind == "session" and request.method not in SAFE_METHODS:
            _check_forgery(request, form, token)
        if not user.may(self.right):
            raise PageError(
                403,
                f"Your role, {user.role}, does not include the right to {self.right.phrase}.",
                "Ask an admin for it if you need it.",
            )
        return visit


Viewer = Annotated[Visit, Depends(RequireRight(Right.VIEW))]
Requeuer = Annotated[Visit, Depends(RequireRight(Right.REQUEUE))]
Editor = Annotated[Visit, Depends(RequireRight(Right.EDIT))]
Configurer = Annotated[Visit, Depends(RequireRight(Right.CONFIGURE))]
Exporter = Annotated[Visit, Depends(RequireRight(Right.EXPORT))]
Administrator = Annotated[Visit, Depends(RequireRight(Right.ADMINISTER))]
"""How a page says what right it asks for."""


def forgery_token(secret: str) -> str:
    """Return what a form carries to show that it is ours: nobody can make it who does not know the secret."""
    return hmac.new(secret.encode(), b"console form", hashlib.sha256).hexdigest()


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _shown(request: Request) -> tuple[str, str]:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.casefold() == "bearer" and token:
        return token.strip(), "token"
    return request.cookies.get(SESSION_COOKIE, ""), "session"


def _check_forgery(request: Request, form: FormData, token: str) -> None:
    given = request.headers.get("x-csrf-token") or form.get("csrf")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), forgery_token(token).encode()):
        raise PageError(403, "This form is out of date; nothing was done.", "Go back, load the page again and repeat.")
