"""Distinguish outages of PostgreSQL from errors that a single row causes, by the SQLSTATE of an error."""

from sqlalchemy.exc import DBAPIError, InterfaceError

from payments.core.outage import OutageReason
from payments.store.db.connection import ConcurrentWriteError, is_transient
from payments.store.db.failover import UnknownCommitError

_REASONS_BY_STATE = (
    ("25006", OutageReason.READ_ONLY),
    ("28", OutageReason.PERMISSION_DENIED),
    ("3D", OutageReason.SCHEMA_MISMATCH),  # the database does not exist
    ("3F", OutageReason.SCHEMA_MISMATCH),
    ("40", OutageReason.CONFLICT),
    ("42501", OutageReason.PERMISSION_DENIED),
    ("42", OutageReason.SCHEMA_MISMATCH),  # statements are the same for all payments, so a table or column is missing
    ("53100", OutageReason.DISK_FULL),
    ("53200", OutageReason.OUT_OF_MEMORY),
    ("55P03", OutageReason.LOCK_TIMEOUT),
    ("57014", OutageReason.TIME_LIMIT),
    ("58", OutageReason.DISK_ERROR),
)
"""Beginnings of SQLSTATE codes with their reason. The first match counts."""


def outage_reason(error: BaseException) -> OutageReason | None:
    """Return why PostgreSQL refuses all work at present, or None if the error concerns the rows of this transaction.

    A lock timeout or a cancelled statement counts as an outage, although a single row may cause it. Only a transaction
    with other rows can show whether it is an outage.
    """
    if isinstance(error, ConcurrentWriteError):
        return OutageReason.CONFLICT
    if isinstance(error, UnknownCommitError):
        return OutageReason.NOT_REPLICATED
    if isinstance(error, InterfaceError):
        return OutageReason.DATABASE_UNAVAILABLE
    if not isinstance(error, DBAPIError):
        return None
    state = str(getattr(error.orig, "sqlstate", None) or "")
    found = (reason for prefix, reason in _REASONS_BY_STATE if state.startswith(prefix))
    return next(found, OutageReason.DATABASE_UNAVAILABLE if is_transient(error) else None)
