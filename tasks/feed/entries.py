"""Convert stream entries from the reply of Redis: an id, and a list of alternating field names and values.

The list is not converted to a dict, because a field name may occur several times.
"""

from collections.abc import Sequence
from typing import Any

import redis

from payments.contract.stream_entry import StreamEntry
from payments.contract.whole_entry import whole_entry_body

SIGNATURE_BYTES_MAX = 200


def keep_field_lists(client: redis.Redis, commands: Sequence[str] = ("XREADGROUP", "XCLAIM")) -> None:
    """Make a client return the replies to these commands unconverted: each entry is an id and a field list.

    This module expects field lists. By default, redis-py converts a field list to a dict, which drops repeated fields.
    """
    for command in commands:
        client.set_response_callback(command, _keep_reply)


def _keep_reply(answer: Any, **_options: object) -> Any:
    return answer


def entries_by_stream(answer: Any) -> dict[str, list[StreamEntry]]:
    """Convert the reply to XREADGROUP to entries by stream. The reply None means that there are no entries."""
    return {
        name.decode(): [stream_entry(entry_id, fields) for entry_id, fields in entries]
        for name, entries in answer or ()
    }


def stream_entry(entry_id: bytes, field_list: Sequence[bytes]) -> StreamEntry:
    """Return the StreamEntry of an entry in a reply of Redis.

    An entry with more or less than one field `event`, or with several signatures, gets all its fields as JSON for its
    body (`whole_entry_body`). The import rejects such an entry later.
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
    """Return a signature as text that PostgreSQL can store. A malformed signature is still invalid afterwards."""
    text = signature[:SIGNATURE_BYTES_MAX].decode("ascii", "replace")
    return text if text.isprintable() else "unprintable"
