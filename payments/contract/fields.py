"""Types of event fields. Each type has the accepted form and a description for error messages and schemas."""

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, StringConstraints
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from payments.contract.days import DAY_PATTERN
from payments.contract.keys import ID_CHARACTERS_MAX
from payments.contract.money import ZERO

TEXT_CHARACTERS_MAX, MEMO_CHARACTERS_MAX = 200, 2_000
VERSION_MAX = 2**63 - 1


class _MatchesPattern:
    """Accept only text that matches a pattern completely. The field's own type then parses the text.

    Without this class, pydantic would also accept numbers and other forms.
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = f"^{pattern}$"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        ascii_digits = self._pattern.replace(r"\d", "[0-9]")  # \d also matches the digits of other scripts
        return core_schema.chain_schema([core_schema.str_schema(strict=True, pattern=ascii_digits), handler(source)])

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": self._pattern}


class _AsciiFastPath:
    """Check ASCII ids with a pattern alone, because a Python function is slower. A function checks all other values."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        in_ascii = core_schema.str_schema(strict=True, max_length=ID_CHARACTERS_MAX, pattern="^[!-~](?:[ -~]*[!-~])?$")
        return core_schema.union_schema(
            [in_ascii, handler(source)],
            mode="left_to_right",
            custom_error_type="identifier",
            custom_error_message="not an identifier",
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema["choices"][1])


def is_identifier(text: str) -> bool:
    """Return whether a text is printable, not empty, and has no space at its ends. The length is not checked.

    The space is the only white space that counts as printable. Invisible characters count as unprintable, because two
    different ids could otherwise look the same. Ids are compared as they are written: blanks are never removed.
    """
    return (
        text != ""
        and text.isprintable()
        and text.strip(" ") == text
        and (text.isascii() or not _INVISIBLE_CHARACTER_PATTERN.search(text))
    )


def _check_identifier(value: str) -> str:
    """Return the text. Raises ValueError unless it is an id."""
    if not is_identifier(value):
        raise ValueError("characters")
    return value


def _check_optional_identifier(value: str) -> str | None:
    """Return the text, or None if it is empty. Raises ValueError unless it is an id."""
    return _check_identifier(value) if value else None


def _check_printed_key(value: str) -> str | None:
    """Return the text, or None if it is empty. Raises ValueError unless it can be read as clinic/payment/line."""
    if not value:
        return None
    if not (is_identifier(value) and _PRINTED_KEY_PATTERN.fullmatch(value)):
        raise ValueError("form")
    return value


def _empty_as_none(value: str) -> str | None:
    """Return the text, or None if it is empty. Raises ValueError for U+0000, which PostgreSQL cannot store."""
    if "\x00" in value:
        raise ValueError("characters")
    return value or None


PRINTED_KEY_CHARACTERS_MAX = 3 * ID_CHARACTERS_MAX + len("//")
_INVISIBLE_CHARACTER_PATTERN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters, marks and symbols without a shape, such as the Hangul filler and the variation selectors."""
_KEY_PART = rf"[^ ](?:.{{0,{ID_CHARACTERS_MAX - 2}}}[^ ])?"
_PRINTED_KEY_PATTERN = re.compile(rf"{_KEY_PART}/{_KEY_PART}/{_KEY_PART}")
"""Three ids joined by slashes. An id may contain slashes. The text matches if it can be split into three valid ids."""

# For the JSON Schema: control, formatting and private-use characters, all spaces except U+0020, and characters without
# a shape. Only characters with four hexadecimal digits are listed.
_UNPRINTABLE_CHARACTERS = (
    r"\u0000-\u001f\u007f-\u00a0\u00ad\u034f\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f"
    r"\u205f-\u206f\u2800\u3000\u3164\ue000-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
)
_ALL_PRINTABLE = f"(?!.*[{_UNPRINTABLE_CHARACTERS}])"
_ID_PATTERN = "[^ ](?:.*[^ ])?"

Identifier = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=ID_CHARACTERS_MAX),
    AfterValidator(_check_identifier),
    _AsciiFastPath(),
    Field(
        description="text of 1 to 64 printable characters, without white space at its ends",
        json_schema_extra={"pattern": f"^{_ALL_PRINTABLE}{_ID_PATTERN}$"},
    ),
]
OptionalIdentifier = Annotated[
    Annotated[
        str,
        StringConstraints(strict=True, max_length=TEXT_CHARACTERS_MAX),
        AfterValidator(_check_optional_identifier),
        _AsciiFastPath(),
        Field(json_schema_extra={"pattern": f"^{_ALL_PRINTABLE}(?:{_ID_PATTERN})?$"}),
    ]
    | None,
    Field(
        default=None,
        description="text of up to 200 printable characters, without white space at its ends, or null",
    ),
]
PrintedKey = Annotated[
    Annotated[
        str,
        StringConstraints(strict=True, max_length=PRINTED_KEY_CHARACTERS_MAX),
        AfterValidator(_check_printed_key),
        Field(json_schema_extra={"pattern": f"^{_ALL_PRINTABLE}(?:{_PRINTED_KEY_PATTERN.pattern})?$"}),
    ]
    | None,
    Field(default=None, description='the key of a line, clinic/payment/line, e.g. "north/p-1001/1", or null'),
]
Amount = Annotated[
    Decimal,
    _MatchesPattern(r"-?\d{1,10}\.\d{2}"),
    AfterValidator(ZERO.__add__),  # 0.00 for -0.00
    Field(description='dollars as text with two decimals, e.g. "25.00"'),
]
PaidAmount = Annotated[
    Decimal,
    _MatchesPattern(r"\d{1,10}\.\d{2}"),
    Field(description='dollars of 0.00 or more as text with two decimals, e.g. "25.00"'),
]
Day = Annotated[date, _MatchesPattern(DAY_PATTERN), Field(description="a date that exists, YYYY-MM-DD")]
Instant = Annotated[
    AwareDatetime,
    _MatchesPattern(DAY_PATTERN + r"[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})"),
    Field(description="an RFC 3339 time with its offset, e.g. 2026-10-05T10:00:00-07:00"),
]
Version = Annotated[int, Field(strict=True, ge=1, le=VERSION_MAX, description="a whole number from 1")]
Flag = Annotated[bool, Field(strict=True, description="true or false")]
ShortText = Annotated[
    Annotated[str, StringConstraints(strict=True, max_length=TEXT_CHARACTERS_MAX), AfterValidator(_empty_as_none)]
    | None,
    Field(default=None, description="text of up to 200 characters, or null"),
]
Memo = Annotated[
    Annotated[str, StringConstraints(strict=True, max_length=MEMO_CHARACTERS_MAX), AfterValidator(_empty_as_none)]
    | None,
    Field(default=None, description=f"text of up to {MEMO_CHARACTERS_MAX:,} characters, or null"),
]
