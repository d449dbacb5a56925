"""Parse dates and times. Events, files, options, web forms and the API use the same formats."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TypeVar

YEAR_FIRST, YEAR_LAST = 1900, 2999
YEAR_PATTERN = r"(?:19|2\d)\d{2}"
"""A year from YEAR_FIRST to YEAR_LAST, as a regular expression."""
DAY_PATTERN = YEAR_PATTERN + r"-\d{2}-\d{2}"
"""The form of a date, as a regular expression."""

# Without re.ASCII, \d also matches the digits of other scripts. date.fromisoformat() alone would take 20261005 and
# 2026-W41-1, and pydantic a number of seconds.
_DAY_PATTERN = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT_PATTERN = re.compile(
    _DAY_PATTERN.pattern + r"(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:\d{2})?)?", re.ASCII
)
_SHOWN_CHARACTERS_MAX = 40
_Parsed = TypeVar("_Parsed", date, datetime)


def parse_day(text: str) -> date:
    """Parse a date in the form YYYY-MM-DD.

    Raises ValueError for any other form, for a date that does not exist, and for a year before YEAR_FIRST or after
    YEAR_LAST.
    """
    return _parse(text, _DAY_PATTERN, date.fromisoformat, "a date such as 2026-10-05")


def parse_moment(text: str) -> datetime:
    """Parse a date, optionally with a time of day and an offset, such as 2026-11-02T09:00:00Z.

    A date without a time is midnight. A time has hours and minutes; seconds are optional. The offset is Z, or has the
    form +02:00. A time without an offset is UTC. Raises ValueError as `parse_day` does.
    """
    moment = _parse(text, _MOMENT_PATTERN, datetime.fromisoformat, "a time such as 2026-11-02T09:00:00Z")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _parse(text: str, form: re.Pattern[str], read: Callable[[str], _Parsed], what: str) -> _Parsed:
    try:
        found = read(text) if form.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None:
        raise ValueError(f"{text[:_SHOWN_CHARACTERS_MAX]!r} is not {what}")
    if not YEAR_FIRST <= found.year <= YEAR_LAST:
        raise ValueError(f"{text[:_SHOWN_CHARACTERS_MAX]!r}: the year must be between {YEAR_FIRST} and {YEAR_LAST}")
    return found
