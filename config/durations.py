"""Parse durations such as `30s`, `2m`, `10h` or `1d`."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator

_SECONDS_BY_UNIT = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_PATTERN = re.compile(r"([1-9][0-9]{0,6})([smhd])")


def parse_duration(text: str) -> timedelta:
    """Parse one duration. Raises ValueError if the text is not a duration. The message quotes the text."""
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"expected a duration such as 30s, 15m, 2h or 1d, not {text.strip()!r}")
    return timedelta(**{_SECONDS_BY_UNIT[match[2]]: int(match[1])})


def parse_duration_or_zero(text: str) -> timedelta:
    """Parse one duration or `0`. Raises ValueError if the text is neither. The message quotes the text."""
    return timedelta() if text.strip() == "0" else parse_duration(text)


def parse_durations(text: str) -> tuple[timedelta, ...]:
    """Parse a comma-separated schedule of durations.

    Raises ValueError if a step is invalid. The message contains the number of the step and quotes its text.
    """
    schedule = []
    for position, step in enumerate(text.split(","), start=1):
        try:
            schedule.append(parse_duration(step))
        except ValueError as error:
            raise ValueError(f"step {position}: {error}") from None
    return tuple(schedule)


Duration = Annotated[
    timedelta, BeforeValidator(lambda value: parse_duration(value) if isinstance(value, str) else value)
]
DurationOrZero = Annotated[
    timedelta, BeforeValidator(lambda value: parse_duration_or_zero(value) if isinstance(value, str) else value)
]
Durations = Annotated[
    tuple[timedelta, ...], BeforeValidator(lambda value: parse_durations(value) if isinstance(value, str) else value)
]
