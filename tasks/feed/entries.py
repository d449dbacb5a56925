"""Convert entries from the form in which Redis sends them: an id, and a list of alternating field names and values.

The list is not converted to a dict, because a field name may occur repeatedly.
"""

from collections.abc import Sequence
from typing import Any

import redis

from payments.contract.stream_entry import StreamEntry
from payments.contract.whole_entry import whole_entry_body

SIGNATURE_BYTES_MAX = 200


def keep_field_lists(client: redis.Redis, commands: Sequence[str] = ("XREADGROUP", "XCLAIM")) -> None:
    """Make a client return the entries of these commands with their field lists, as this module expects.

    By default, redis-py converts the list to a dict, which drops repeated fields.
    """
    for command in commands:
        client.set_response_callback(command, _keep_reply)


def _keep_reply(answer: Any, **_options: object) -> Any:
    return answer


def entries_by_stream(answer: Any) -> dict[str, list[StreamEntry]]:
    """Convert the reply to XREADGROUP to entries by stream. The reply None means no entries."""
    return {
        name.decode(): [stream_entry(entry_id, fields) for entry_id, fields in entries]
        for name, entries in answer or ()
    }


def stream_entry(entry_id: bytes, field_list: Sequence[bytes]) -> StreamEntry:
    """Return the StreamEntry of a raw Redis entry.

    If it does not have exactly one field `event`, or has several signatures, its body holds all fields as JSON
    (`whole_entry_body`). The entry is then rejected later.
    """
    names, values = field_list[::2], field_list[1::2]
    if names == [b"event"]:
        return StreamEntry(entry_id.decode(), values[0])
    if names.count(b"event") != 1 or names.count(b"signature") > 1:
        return StreamEntry(entry_id.decode(), whole_entry_body(list(zip(names, values, strict=True))))
    fields = dict(zip(names, values, strict=True))
    signature = fields.get(b"signature")
    return StreamEntry(
        entry_id=entry_id.decode(),
        body=fields[b"event"],
        signature=None if signature is None else _signature_text(signature),
        trace=fields[b"traceparent"].decode(errors="replace") if names.count(b"traceparent") == 1 else None,
    )


def _signature_text(signature: bytes) -> str:
    """Return a signature as text that PostgreSQL can store. A malformed signature stays invalid."""
    text = signature[:SIGNATURE_BYTES_MAX].decode("ascii", "replace")
    return text if text.isprintable() else "unprintable"
