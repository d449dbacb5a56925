"""Errors of import and retry attempts: whether an error is an outage, and the text to store for an error."""

from typing import NamedTuple

import redis
from celery.exceptions import SoftTimeLimitExceeded

from payments.core.outage import OutageReason
from payments.store.db.outages import outage_reason

ERROR_CHARACTERS_MAX = 300


class NotAnsweringError(Exception):
    """PostgreSQL does not answer. No entry was read from the stream yet, so nothing must be undone."""


class IsolatedEntry(NamedTuple):
    """An entry that is imported alone.

    `deliveries` is its number of deliveries before this import. If the import meets an outage, Redis's counter is set
    back to this number, because an outage does not count as an attempt.
    """

    entry_id: str
    deliveries: int


class IsolatedEntryError(Exception):
    """An entry that was imported alone met an outage."""

    def __init__(self, reason: OutageReason, entry: IsolatedEntry) -> None:
        super().__init__(f"{reason}: entry {entry.entry_id}")
        self.reason, self.entry = reason, entry


def outage_of(error: BaseException) -> OutageReason | None:
    """Return the reason of the outage that caused an error, or None if the error concerns only this attempt's payments.

    During an outage, no attempt can succeed.
    """
    match error:
        case IsolatedEntryError():
            return error.reason
        case NotAnsweringError():
            return OutageReason.DATABASE_UNAVAILABLE
        case SoftTimeLimitExceeded():
            return OutageReason.TIME_LIMIT
        case MemoryError():
            return OutageReason.OUT_OF_MEMORY
        case redis.RedisError():
            return OutageReason.FEED_UNAVAILABLE
        case _:
            return outage_reason(error)


def summary_of(error: Exception) -> str:
    """Return the class name and the first line of an error. Later lines may contain the statement and its values.

    The text is printable ASCII, because the database may have refused the very character that the error quotes.
    """
    first_line = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return ascii(f"{type(error).__name__}: {first_line}"[:ERROR_CHARACTERS_MAX])[1:-1]
