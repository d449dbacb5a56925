"""Errors of import and retry attempts: whether the attempt may succeed later, and the text that is stored."""

from celery.exceptions import SoftTimeLimitExceeded

from payments.store.db.connection import is_transient

ERROR_CHARACTERS_MAX = 300


class NotAnsweringError(Exception):
    """PostgreSQL does not answer. Nothing was read from the stream, and the attempt can be repeated later."""


def is_retryable(error: Exception) -> bool:
    """Return whether the same attempt may succeed later. A task that ran out of time is retryable too."""
    return isinstance(error, SoftTimeLimitExceeded | NotAnsweringError) or is_transient(error)


def summary_of(error: Exception) -> str:
    """Return the class and the first line of an error. Later lines may quote the statement and its values.

    The text is printable ASCII, because the cause may be a character that the database cannot store.
    """
    first_line = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return ascii(f"{type(error).__name__}: {first_line}"[:ERROR_CHARACTERS_MAX])[1:-1]
