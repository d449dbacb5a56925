"""Template filters that format money, times, states and names."""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import cache

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from console.reports.drawers import KIND_WORDS
from console.reports.health import format_seconds
from payments import posted_wording, wording
from payments.contract.money import ZERO, Money
from payments.core.finding import FindingStatus
from payments.core.posted import NOT_IN_BILLING, PostedState

_BADGE_CLASSES = {
    "Transmission Successful": "calm",
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
    "up": "good",
    "check": "wait",
    "down": "bad",
    "due": "calm",
    "overdue": "bad",
    "locked": "bad",
    "balanced": "good",
    "closed": "calm",
    "of_day": "calm",
    "late": "wait",
    "change": "wait",
    "payment": "calm",
    "correction": "wait",
    "failed": "bad",
}
_STATE_WORDS = (
    {each.value: each.words for each in FindingStatus}
    | KIND_WORDS
    | {
        "stopped": "cancelled",
        "check": "needs attention",
        "front-office": "front office",
    }
)
_HYPHENATED_PATTERN = re.compile(r"(?<![^\s(;])(?=\S*\d)(?=\S*-)[\w$,./-]{2,16}(?=[\s)&<;:,.!?]|$)")
"""A short word with a hyphen and a digit: a date, an amount or an id."""
_NO_VALUE = Markup('<span class="none">&ndash;</span>')


def format_money(amount: Decimal | None) -> Markup:
    """Return dollars with thousands separators. A negative amount is red and has a true minus sign."""
    if amount is None:
        return _NO_VALUE
    # Digits and separators need no escaping.
    if amount < 0:
        return Markup(f'<span class="negative">\u2212${-amount:,.2f}</span>')  # noqa: S704
    return Markup(f"${amount:,.2f}")  # noqa: S704


def unbroken(text: object) -> Markup:
    """Return text as HTML without line breaks inside dates, amounts and short ids. Markup is returned unchanged."""
    if isinstance(text, Markup):
        return text
    # The text is escaped, and the pattern matches no part of a tag.
    return Markup(_HYPHENATED_PATTERN.sub(r'<span class="nowrap">\g<0></span>', str(escape(text))))  # noqa: S704


def format_money_text(amount: str) -> Markup:
    """Format an amount as `format_money` does. The amount is text, as in the proposed entries of an exception."""
    return format_money(Decimal(amount))


def format_utc_input(at: datetime | None) -> str:
    """Return a time in UTC as the value of an HTML input of type datetime-local."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}" if at else ""


@pass_context
def format_datetime(context: Context, at: datetime | date | None) -> Markup:
    """Return a date, or a time to the minute in the user's time zone."""
    return _format_time(context, at, "%H:%M")


@pass_context
def format_datetime_seconds(context: Context, at: datetime | date | None) -> Markup:
    """Return a date, or a time to the second in the user's time zone."""
    return _format_time(context, at, "%H:%M:%S")


def _format_time(context: Context, at: datetime | date | None, time_format: str) -> Markup:
    if at is None:
        return _NO_VALUE
    if not isinstance(at, datetime):
        return Markup(f'<time datetime="{at}"><span>{at}</span></time>')  # noqa: S704 (as above)
    zone: tzinfo = context.get("zone", UTC)
    local = at.astimezone(zone)
    # In a narrow column, the line breaks between the date and the time, never inside one of them.
    parts = f"<span>{local:%Y-%m-%d}</span> <span>{local:{time_format}}</span>"
    return Markup(f'<time datetime="{at.isoformat()}">{parts}</time>')  # noqa: S704 (as above)


@cache
def badge(state: str | None) -> Markup:
    """Return a state as a coloured badge. The badge also contains the state as text."""
    if not state:
        return Markup("")
    text = humanize(state)
    css_class = _BADGE_CLASSES.get(state, "calm")
    return Markup('<span class="badge {}">{}</span>').format(css_class, text[:1].upper() + text[1:])


def posted_badge(state: str | None, posted_amount: Money = ZERO) -> Markup:
    """Return a coloured badge that says whether a payment is in Billing. It is green only if money is in Billing.

    `posted_amount` is the payment's amount in Billing, in dollars.
    """
    if not state:
        return _NO_VALUE
    css_class = "bad" if state in NOT_IN_BILLING else "good" if state == PostedState.POSTED else "calm"
    label = posted_wording.posted_label(state, posted_amount)
    return Markup('<span class="badge {}">{}</span>').format(css_class, label)


def humanize(name: str | None) -> str:
    """Return an internal name as words: "closed automatically" for `auto_closed`, "Open" for `OPEN`."""
    text = _STATE_WORDS.get(name or "", name or "").replace("_", " ")
    return text.capitalize() if text.isupper() else text


def user_cell(who: str | None) -> Markup:
    """Return the user of a ledger entry as HTML. A long name is shortened, and the tooltip contains the whole name."""
    name = user_name(who)
    return Markup('<span class="short-user" title="{}">{}</span>').format(name, name)


def user_name(who: str | None) -> str:
    """Return the name to show for a stored actor, such as `ann` for `user:ann` and `Import` for `importer-4671`."""
    return wording.actor(who or "").removeprefix("user:")


def format_number(count: int | None) -> str:
    """Return a whole number with thousands separators."""
    return "" if count is None else f"{count:,}"


def format_age(span: timedelta) -> str:
    """Return a duration in its largest whole unit."""
    return format_seconds(max(0, round(span.total_seconds())))
