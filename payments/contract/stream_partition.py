"""Which of the feed's streams a company's events lie on: the one rule that publishers in every language share."""

import hashlib


def stream_number(company_id: str, streams: int) -> int:
    """Return the number of a company's stream among `streams`, from 0: the same at every call, in every language.

    The first four bytes of SHA-256 over the id in UTF-8, read as a whole number, modulo `streams`.
    """
    first = hashlib.sha256(company_id.encode()).digest()[:4]
    return int.from_bytes(first, "big") % streams


def stream_for(name: str, streams: int, company_id: str | None) -> str:
    """Return the name of the stream for a company's event; undivided, or of no company, it is the one called `name`."""
    return name if streams == 1 or company_id is None else f"{name}:{stream_number(company_id, streams)}"


def stream_names(name: str, streams: int) -> tuple[str, ...]:
    """Return every stream that has to be read: divided or not, a publisher that knows of no division uses `name`."""
    return (name,) if streams == 1 else (name, *(f"{name}:{number}" for number in range(streams)))
