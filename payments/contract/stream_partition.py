"""Stream partitions: compute the stream of a company's events. Publishers in every language follow the same rule."""

import hashlib


def stream_number(company_id: str, streams: int) -> int:
    """Return the number of a company's stream, from 0 to `streams` - 1.

    The first four bytes of the company id's SHA-256 (of its UTF-8 bytes) are read as a big-endian integer. The number
    is this integer modulo `streams`.
    """
    first = hashlib.sha256(company_id.encode()).digest()[:4]
    return int.from_bytes(first, "big") % streams


def stream_for(name: str, streams: int, company_id: str | None) -> str:
    """Return the stream for a company's event. If there is only one stream, or `company_id` is None, return `name`."""
    return name if streams == 1 or company_id is None else f"{name}:{stream_number(company_id, streams)}"


def stream_names(name: str, streams: int) -> tuple[str, ...]:
    """Return the names of all streams to read. `name` is always included, because some publishers do not partition."""
    return (name,) if streams == 1 else (name, *(f"{name}:{number}" for number in range(streams)))
