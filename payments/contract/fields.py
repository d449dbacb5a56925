"""Field types of the events: the accepted form of each, with its description for error messages and schemas."""

import re
from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints

from payments.contract.money import dollars

MEMO_CHARACTERS_MAX = 2_000


def _matching(pattern: str) -> BeforeValidator:
    """Return a validator that accepts only text in this form. Pydantic would also accept numbers and other forms."""
    form = re.compile(pattern, re.ASCII)  # without re.ASCII, \d also matches the digits of other scripts

    def check(value: object) -> object:
        if not isinstance(value, str) or not form.fullmatch(value):
            raise ValueError("form")
        return value

    return BeforeValidator(check, json_schema_input_type=Annotated[str, StringConstraints(pattern=f"^{pattern}$")])


def _check_printable(value: str) -> str:
    """Return the text. Raises ValueError if it is blank or has an unprintable character."""
    if not value.strip() or not value.isprintable():
        raise ValueError("characters")
    return value


def _blank_as_none(value: str | None) -> str | None:
    """Return the text, or None if it is empty. Raises ValueError for U+0000, which PostgreSQL cannot store."""
    if value and "\x00" in value:
        raise ValueError("characters")
    return value or None


YEAR_FIRST = 1900
YEAR = r"(?:19|2\d)\d{2}"
"""A year from 1900 to 2999, as a regular expression."""
_DAY = YEAR + r"-\d{2}-\d{2}"

Identifier = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=64),
    AfterValidator(_check_printable),
    Field(description="text of 1 to 64 printable characters"),
]
Amount = Annotated[
    Decimal,
    _matching(r"-?\d{1,10}\.\d{2}"),
    AfterValidator(dollars),
    Field(description='dollars as text with two decimals, e.g. "25.00"'),
]
Day = Annotated[date, _matching(_DAY), Field(strict=False, description="a date that exists, YYYY-MM-DD")]
Instant = Annotated[
    AwareDatetime,
    _matching(_DAY + r"[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})"),
    Field(strict=False, description="an RFC 3339 time with its offset, e.g. 2026-10-05T10:00:00-07:00"),
]
Version = Annotated[int, Field(strict=True, ge=1, le=2**63 - 1, description="a whole number from 1")]
Flag = Annotated[bool, Field(strict=True, description="true or false")]
ShortText = Annotated[
    str | None,
    StringConstraints(strict=True, max_length=200),
    AfterValidator(_blank_as_none),
    Field(default=None, description="text of up to 200 characters, or null"),
]
Memo = Annotated[
    str | None,
    StringConstraints(strict=True, max_length=MEMO_CHARACTERS_MAX),
    AfterValidator(_blank_as_none),
    Field(default=None, description=f"text of up to {MEMO_CHARACTERS_MAX:,} characters, or null"),
]
