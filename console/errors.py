"""One-line descriptions of anticipated errors, for commands and pages."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

_SCHEMA_STATES = ("42P01", "42703", "3F000")
"""SQLSTATEs that mean an undefined table, column or schema."""
SCHEMA_OUT_OF_DATE = "the schema is out of date; run `python -m workers.migrate` (`payments up` does it)"


class CommandError(Exception):
    """A command failed. The message gives the reason and what to do.

    `exit_status` is 2 for a usage error, otherwise 1.
    """

    def __init__(self, message: str, exit_status: int = 1) -> None:
        self.exit_status = exit_status
        super().__init__(message)


def describe_error(error: BaseException) -> str | None:
    """Return a sentence that describes an anticipated error. For an unexpected error, return None."""
    from config.engines import NotRunningError
    from config.settings import SettingsError
    from emr.errors import FeedError
    from emr.synthea_files import InvalidExportError
    from payments.access.authentication import UserError
    from payments.core.ambiguity import AmbiguousIdError
    from payments.core.company_move import MoveError
    from payments.core.conflict import ChangedMeanwhileError
    from payments.core.deposit import DepositError
    from payments.core.drawer import DrawerError
    from payments.core.finding import DecisionError
    from payments.core.manual_entry import EntryError
    from payments.core.repayment import RepaymentError
    from payments.core.timezone import TimezoneError
    from payments.core.transfer import TransferError
    from payments.journeys.choosing import UnknownNameError
    from payments.journeys.closing import ClosingError
    from payments.journeys.configuring import ClinicOfOtherCompanyError
    from payments.journeys.confirming import ConfirmationError
    from payments.journeys.noting import NoteError
    from payments.journeys.requeue_runs import MoreThanConfirmedError
    from payments.store.db.connection import UnsuitableDatabaseError

    refused = (MoreThanConfirmedError, ChangedMeanwhileError, ClinicOfOtherCompanyError, ConfirmationError, NoteError)
    undecided = (
        *(DecisionError, DepositError, DrawerError, EntryError, RepaymentError, TransferError, ClosingError, MoveError),
    )
    usage_errors = (*refused, *undecided, TimezoneError, UnknownNameError, UserError)
    engine_errors = (SettingsError, NotRunningError, FeedError, UnsuitableDatabaseError)
    anticipated = (CommandError, InvalidExportError, *engine_errors, *usage_errors)
    if isinstance(error, AmbiguousIdError):
        return f"{error}; choose one with --company"
    if isinstance(error, anticipated):
        return str(error)
    return _describe_postgres(error) or _describe_redis(error) or _describe_file(error)


def engine_setting(error: BaseException) -> str | None:
    """Return the setting whose URL leads to the server that caused an error: DATABASE_URL or REDIS_URL.

    The server cannot be reached, or rejects the URL or the user. For an error with another cause, return None.
    """
    from redis.exceptions import RedisError

    from emr.errors import FeedError
    from payments.store.db.connection import UnsuitableDatabaseError, is_transient
    from payments.store.db.suitability import is_refusal

    if isinstance(error, RedisError | FeedError):
        return "REDIS_URL"
    is_database = isinstance(error, UnsuitableDatabaseError) or is_transient(error) or is_refusal(error)
    return "DATABASE_URL" if is_database else None


def _describe_postgres(error: BaseException) -> str | None:
    from payments.store.db.connection import is_transient
    from payments.store.db.suitability import first_line, is_refusal

    cause = getattr(error, "orig", None)
    if getattr(cause, "sqlstate", None) in _SCHEMA_STATES:
        return SCHEMA_OUT_OF_DATE
    if is_refusal(error):
        return f"PostgreSQL refuses: {first_line(cause)}"
    if is_transient(error):
        return f"PostgreSQL does not answer: {first_line(cause or error)}"
    return f"PostgreSQL error: {first_line(cause)}" if cause else None


def _describe_redis(error: BaseException) -> str | None:
    from redis.exceptions import RedisError

    from payments.store.db.suitability import first_line

    return (
        f"Redis does not answer or refused the command: {first_line(error)}" if isinstance(error, RedisError) else None
    )


def _describe_file(error: BaseException) -> str | None:
    return f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else None
