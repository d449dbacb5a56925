"""How pages write money, moments and states; knows no page."""

import hashlib
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
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


def make_templates() -> Environment:
    """Return the environment in which pages are put together; an unknown name in a template is an error."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"money": money, "moment": moment, "badge": badge, "words": words, "number": number}
    environment.globals |= {"url": url, "statics": _fingerprint()}
    return environment


def money(amount: Decimal | None) -> Markup:
    """Return dollars for people: thousands apart, and what is negative in red with a true minus sign."""
    if amount is None:
        return Markup('<span class="none">&ndash;</span>')
    if amount < 0:
        return Markup('<span class="negative">\u2212{}</span>').format(f"{-amount:,.2f}")
    return escape(f"{amount:,.2f}")


def moment(at: datetime | date | None) -> Markup:
    """Return a moment or a day as the office reads it; moments are UTC."""
    if at is None:
        return Markup('<span class="none">&ndash;</span>')
    if not isinstance(at, datetime):
        return Markup('<time datetime="{0}">{0}</time>').format(at.isoformat())
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), _apart(at))


def _apart(at: datetime) -> Markup:
    return Markup("<span>{}</span> <span>{}</span>").format(f"{at:%Y-%m-%d}", f"{at:%H:%M:%S}")


def badge(state: str | None) -> Markup:
    """Return a state as a badge; its words say it, its colour only helps."""
    if not state:
        return Markup("")
    return Markup('<span class="badge {}">{}</span>').format(_TONES.get(state, "calm"), words(state))


def words(name: str | None) -> str:
    """Return a name of ours as words: `auto_closed` is auto closed, OPEN is Open."""
    text = (name or "").replace("_", " ").replace("front-office", "front office")
    return text.capitalize() if text.isupper() else text


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


def _fingerprint() -> Mapping[str, str]:
    """Return the addresses of the files that never change under the same address."""
    files = sorted((FOLDER / "static").iterdir())
    return {path.name: f"/static/{path.name}?{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}" for path in files}
