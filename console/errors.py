"""Tells people in one line what went wrong: what is anticipated in its own words, the rest as a bug; prints nothing."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers at once)

_SCHEMA_STATES = ("42P01", "42703", "3F000")
"""SQLSTATEs of a table, column or schema that is not there."""


class CommandError(Exception):
    """A command cannot do what it was asked; the message says why, and what would help.

    `exit_status` is 2 where it was not asked rightly.
    """

    def __init__(self, message: str, exit_status: int = 1) -> None:
        self.exit_status = exit_status
        super().__init__(message)


def sentence(error: BaseException) -> str | None:
    """Return what people are told about an anticipated error, or None for one that nobody anticipated."""
    from config.engines import NotRunningError
    from config.settings import SettingsError
    from emr.client import FeedError
    from emr.synthea import ExportError
    from payments.access.authentication import UserError
    from payments.journeys.adjusting import AdjustmentError
    from payments.journeys.closing import ClosingError
    from payments.journeys.configuring import ClinicOfOtherCompanyError, TimezoneError

    asked_wrongly = (ClinicOfOtherCompanyError, TimezoneError, AdjustmentError, ClosingError, UserError)
    told = (CommandError, SettingsError, NotRunningError, FeedError, ExportError, *asked_wrongly)
    if isinstance(error, told):
        return str(error)
    return _of_postgres(error) or _of_redis(error) or _of_a_file(error)


def _of_postgres(error: BaseException) -> str | None:
    from payments.store.db.connection import is_transient

    said = getattr(error, "orig", None)
    if getattr(said, "sqlstate", None) in _SCHEMA_STATES:
        return "the database is not in the form that this version needs; `payments up` brings it there"
    if is_transient(error):
        return f"PostgreSQL does not answer, or not in time: {_first_line(said or error)}"
    return f"PostgreSQL refused: {_first_line(said)}" if said else None


def _of_redis(error: BaseException) -> str | None:
    from redis.exceptions import RedisError

    return f"Redis does not answer, or refused: {_first_line(error)}" if isinstance(error, RedisError) else None


def _of_a_file(error: BaseException) -> str | None:
    return f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else None


def _first_line(error: object) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason was given")
