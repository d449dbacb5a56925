"""Convert stream entries that do not hold exactly one event to a JSON text of all their fields, and back.

The text is stored in place of an event's body: `{"stream_entry": [["name", "value"], ...]}`. Repeated fields keep their
order. The text is never a valid event. A byte that is not UTF-8 is written as the surrogate U+DC00 plus the byte, so
that the entry can be restored.
"""

import json
from collections.abc import Sequence
from typing import Any

from payments.contract.errors import EventError
from payments.contract.repeated_keys import count_repeated, without_repeated_keys

EVENT_FIELD, SIGNATURE_FIELD = "event", "signature"
WHOLE_ENTRY_BYTES_MAX = 2**20
_BODY_PREFIX = '{"stream_entry": '
_NAMES_MAX, _NAME_CHARACTERS_MAX = 20, 40

EntryFields = Sequence[tuple[str, str]]


def whole_entry_body(fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return all fields of an entry as one JSON text."""
    pairs = [tuple(part.decode(errors="surrogateescape") for part in field) for field in fields]
    return f"{_BODY_PREFIX}{json.dumps(pairs)}}}".encode()


def read_whole_entry(body: bytes) -> EntryFields | None:
    """Return the fields of the entry from which `whole_entry_body` made this body. Return None for any other body."""
    if not body.startswith(_BODY_PREFIX.encode()):
        return None
    try:
        fields = [(name, value) for name, value in json.loads(body)["stream_entry"]]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return fields if all(isinstance(part, str) for field in fields for part in field) else None


def malformed_entry_error(fields: EntryFields) -> EventError:
    """Return the error that says why these fields are not exactly one event."""
    counts = count_repeated(name for name, _ in fields)
    for name in (EVENT_FIELD, SIGNATURE_FIELD):
        if count := counts.get(name):
            times = "twice" if count == 2 else f"{count} times"
            return EventError(name, f"`{name}` occurs {times} in the entry")
    return EventError(EVENT_FIELD, f"no field `{EVENT_FIELD}` in the entry; it has {_list_names(list(dict(fields)))}")


def identifying_content(fields: EntryFields) -> bytes | dict[str, Any]:
    """Return the content that identifies the payment of a malformed entry.

    If the entry has exactly one field `event`, return the bytes of this field. If it has several, return an empty
    object. If it has none, return all fields as an object, because a publisher may have written each key of the event
    as a field.
    """
    events = [value for name, value in fields if name == EVENT_FIELD]
    if events:
        return events[0].encode(errors="surrogateescape") if len(events) == 1 else {}
    content = without_repeated_keys(list(fields))
    return content | {name: _parse_field(content[name]) for name in ("version", "paid") if name in content}


def _parse_field(text: str) -> object:
    """Parse the text of a field that should be a number or a flag. Return None if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _list_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_MAX:,} more" if len(names) > _NAMES_MAX else ""
    return ", ".join(map(_describe_name, names[:_NAMES_MAX])) + more


def _describe_name(name: str) -> str:
    """Return a field's name in printable characters, shortened to _NAME_CHARACTERS_MAX."""
    text = name if name and name.isprintable() else ascii(name)
    return text if len(text) <= _NAME_CHARACTERS_MAX else f"{text[:_NAME_CHARACTERS_MAX]}..."
