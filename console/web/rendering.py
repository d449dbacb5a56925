"""How pages write money, moments and states; knows no page."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import cache
from pathlib import Path
from urllib.parse import quote_plus, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

FOLDER = Path(__file__).parent
_TONES = {
    "Transmission Successful": "good",
    "Transmission Pending": "wait",
    "Validation Failed": "bad",
    "Not Sent": "bad",
    "open": "wait",
    "resolved": "good",
    "acknowledged": "calm",
    "auto_closed": "calm",
    "OPEN": "good",
    "SCHEDULED": "wait",
    "CLOSING": "wait",
    "CLOSED": "calm",
    "running": "wait",
    "done": "good",
    "stopped": "bad",
}
_NONE = Markup('<span class="none">&ndash;</span>')


def make_templates() -> Environment:
    """Return the environment in which pages are put together; an unknown name in a template is an error."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"money": money, "badge": badge, "words": words, "number": number, "person": person}
    environment.filters |= {"moment": moment, "instant": instant}
    environment.globals |= {"url": url, "statics": _fingerprint()}
    environment.globals |= {"payment_link": payment_link, "patient_link": patient_link}
    return environment


def money(amount: Decimal | None) -> Markup:
    """Return dollars for people: thousands apart, and what is negative in red with a true minus sign."""
    if amount is None:
        return _NONE
    # What a number is written with needs no escaping.
    if amount < 0:
        return Markup(f'<span class="negative">\u2212{-amount:,.2f}</span>')  # noqa: S704
    return Markup(f"{amount:,.2f}")  # noqa: S704


@pass_context
def moment(context: Context, at: datetime | date | None) -> Markup:
    """Return a day, or a moment to the minute where the visitor is."""
    return _time(context, at, "%H:%M")


@pass_context
def instant(context: Context, at: datetime | date | None) -> Markup:
    """Return a moment to the second where the visitor is."""
    return _time(context, at, "%H:%M:%S")


def _time(context: Context, at: datetime | date | None, form: str) -> Markup:
    if at is None:
        return _NONE
    if not isinstance(at, datetime):
        return Markup(f'<time datetime="{at}"><span>{at}</span></time>')  # noqa: S704 (as above)
    zone: tzinfo = context.get("zone", UTC)
    here = at.astimezone(zone)
    # Day and time stay whole where a narrow column breaks between them.
    apart = f"<span>{here:%Y-%m-%d}</span> <span>{here:{form}}</span>"
    return Markup(f'<time datetime="{at.isoformat()}">{apart}</time>')  # noqa: S704 (as above)


@cache
def badge(state: str | None) -> Markup:
    """Return a state as a badge; its words say it, its colour only helps."""
    if not state:
        return Markup("")
    said = words(state)
    return Markup('<span class="badge {}">{}</span>').format(_TONES.get(state, "calm"), said[:1].upper() + said[1:])


def words(name: str | None) -> str:
    """Return a name of ours as words: `auto_closed` is auto closed, OPEN is Open."""
    text = (name or "").replace("_", " ").replace("front-office", "front office")
    return text.capitalize() if text.isupper() else text


def person(signature: str | None) -> str:
    """Return who did something as the office calls them: `user:ann` is ann."""
    return (signature or "").removeprefix("user:")


def number(count: int | None) -> str:
    """Return a whole number with its thousands apart."""
    return "" if count is None else f"{count:,}"


def age(span: timedelta) -> str:
    """Return how long something has lasted, in the unit that fits."""
    seconds = max(0, round(span.total_seconds()))
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds // unit:,} {name}"
    return f"{seconds} s"


def url(path: str, **query: object) -> str:
    """Return an address of ours with its parameters; what is None or empty is left out."""
    given = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


def payment_link(key: str | None, shown: str | None = None) -> Markup:
    """Return the way to a payment's timeline, from its key or, where that is not one, under another name."""
    if not key:
        return Markup("")
    # Here and below: what is not escaped for the address by `quote_plus` is by `escape`.
    return Markup(f'<a class="key" href="/timeline?payment={quote_plus(key)}">{escape(shown or key)}</a>')  # noqa: S704


def patient_link(patient: str | None) -> Markup:
    """Return the way to a patient's account."""
    if not patient:
        return Markup("")
    return Markup(f'<a href="/account?patient={quote_plus(patient)}">{escape(patient)}</a>')  # noqa: S704


def _fingerprint() -> Mapping[str, str]:
    """Return the addresses of the files that never change under the same address."""
    files = sorted((FOLDER / "static").iterdir())
    return {path.name: f"/static/{path.name}?{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}" for path in files}
