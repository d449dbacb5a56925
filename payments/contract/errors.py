"""Contract errors: the first invalid field of an event, and the printed key of an event without a readable key."""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Mapping

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from payments.contract.repeated_keys import find_repeated_key

DEAD_LETTER_PREFIX = "refused:"
"""The beginning of the printed key of a dead letter. The row id of the dead letter follows it."""
_SHOWN_CHARACTERS_MAX = 60
_DEAD_LETTER_KEY_PATTERN = re.compile(rf"{DEAD_LETTER_PREFIX}([1-9][0-9]{{0,17}})")


class EventError(ValueError):
    """The body is not a valid event. `field` is the first invalid field. The message is the field and the problem."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        super().__init__(f"{field}: {problem}")


def contract_error(validation: ValidationError, body: bytes, types: Mapping[str, type[BaseModel]]) -> EventError:
    """Return the first error of a failed validation as an EventError.

    `body` is the event as bytes. `types` maps each value of the field `type` to its event model.
    """
    error = validation.errors(include_url=False)[0]
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, EventError):
        return cause
    if len(error["loc"]) > 1:
        return _field_error(error, types)
    match error["type"]:
        case "json_invalid":
            return EventError("event", f"expected one JSON object in UTF-8; {_json_problem(body, str(cause))}")
        case "union_tag_not_found":
            return EventError("type", f"missing; expected one of {', '.join(types)}")
        case "union_tag_invalid":
            return EventError(
                "type", f"expected one of {', '.join(types)}; got {_describe_value(error['input']['type'])}"
            )
        case _:
            return EventError("event", f"expected one JSON object; got {_describe_value(error['input'])}")


def reject_repeated_keys(body: bytes, distinct_key_count: int | None = None) -> None:
    """Raise EventError if a key occurs twice in an object of this JSON text. See `find_repeated_key`."""
    if (key := find_repeated_key(body, distinct_key_count)) is not None:
        raise EventError("event", f"the key {_describe_value(key)} occurs twice in one object")


def dead_letter_id(key: str) -> int | None:
    """Return the row id in the printed key of a dead letter, or None if it is the key of a payment."""
    found = _DEAD_LETTER_KEY_PATTERN.fullmatch(key)
    return int(found[1]) if found else None


def _field_error(error: ErrorDetails, types: Mapping[str, type[BaseModel]]) -> EventError:
    """Return pydantic's error of one field as an EventError.

    The message contains the field's description from `payments.contract.fields`.
    """
    tag, field = str(error["loc"][0]), str(error["loc"][1])
    fields = types[tag].model_fields
    described = next(info.description for name, info in fields.items() if field in {name, info.alias})
    if error["type"] == "missing":
        return EventError(field, f"missing; expected {described}")
    return EventError(field, f"expected {described}; got {_describe_value(error['input'])}")


def _json_problem(body: bytes, json_error: str) -> str:
    """Return why a body is not JSON: an invalid UTF-8 byte, a byte order mark, or the parser's message."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"byte {error.start} is not UTF-8"
    if body.startswith(BOM_UTF8):
        return "it begins with a byte order mark"
    return json_error


def _describe_value(value: object) -> str:
    """Return an invalid value for an error message, shortened to `_SHOWN_CHARACTERS_MAX`."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    if len(text) > _SHOWN_CHARACTERS_MAX:
        return f"{text[:_SHOWN_CHARACTERS_MAX]!r} and {len(text) - _SHOWN_CHARACTERS_MAX:,} characters more"
    return repr(text) if isinstance(value, str) else text
