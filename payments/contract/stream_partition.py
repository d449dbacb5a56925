"""Stream partitions: the stream of a company's events. Publishers in every language follow the same rule."""

import hashlib


def stream_number(company_id: str, streams: int) -> int:
    """Return the number of a company's stream, from 0 to `streams` - 1.

    It is the first four bytes of the SHA-256 of the id in UTF-8, as a big-endian integer, modulo `streams`.
    """
    first = hashlib.sha256(company_id.encode()).digest()[:4]
    return int.from_bytes(first, "big") % streams


def stream_for(name: str, streams: int, company_id: str | None) -> str:
    """Return the name of the stream for a company's event: `name` itself if there is one stream or no company."""
    return name if streams == 1 or company_id is None else f"{name}:{stream_number(company_id, streams)}"


def stream_names(name: str, streams: int) -> tuple[str, ...]:
    """Return all streams to read. Publishers that do not partition use `name`, so `name` is always included."""
    return (name,) if streams == 1 else (name, *(f"{name}:{number}" for number in range(streams)))
