"""Durations as an operator writes them, `30s`, `2m`, `10h` or `1d`; knows nothing of what they are for."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_WRITTEN = re.compile(r"([1-9][0-9]{0,6})([smhd])")


def duration(text: str) -> timedelta:
    """Read one duration; the error names the text that could not be read."""
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"expected a duration such as 30s, 15m, 2h or 1d, not {text.strip()!r}")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def durations(text: str) -> tuple[timedelta, ...]:
    """Read a comma-separated ladder of durations; the error names the step that could not be read."""
    ladder = []
    for number, step in enumerate(text.split(","), start=1):
        try:
            ladder.append(duration(step))
        except ValueError as error:
            raise ValueError(f"step {number}: {error}") from None
    return tuple(ladder)


Duration = Annotated[timedelta, BeforeValidator(lambda value: duration(value) if isinstance(value, str) else value)]
Durations = Annotated[
    tuple[timedelta, ...], BeforeValidator(lambda value: durations(value) if isinstance(value, str) else value)
]
