"""Detect connections to the wrong server after a failover of PostgreSQL, and commits that a failover may lose.

A synchronous primary waits until a standby has received a COMMIT, then confirms it. If this wait is cancelled, only the
primary has the transaction. PostgreSQL then reports success with a warning, and a failover loses the transaction
(decision 0026).
"""

from typing import Any, Protocol

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

_UNREPLICATED_COMMIT_KEY = "payments_unreplicated_commit"
"""The key in a connection's `info` that is set if no standby confirmed the connection's last COMMIT."""
_STANDBY_WAIT_FUNCTION = "SyncRepWaitForLSN"
"""The C function that waits for a standby and reports the warning. Its name, unlike the message, is not translated."""
_WRONG_SERVER_STATES = ("08", "25006", "57P01", "57P02", "57P03", "57P04", "57P05")
"""Prefixes of SQLSTATE codes: connection exceptions, read-only server, shutdown by an administrator, crash of the
server, starting or in recovery, dropped database, idle session."""


class UnknownCommitError(Exception):
    """PostgreSQL committed without the confirmation of a standby. A failover may lose the transaction."""


class Diagnosis(Protocol):
    """The fields that this module reads in a notice of PostgreSQL (psycopg's `Diagnostic`)."""

    @property
    def source_function(self) -> str | None:
        """The C function that reported the notice."""


def is_unreplicated_commit(notice: Diagnosis) -> bool:
    """Return whether a notice says that a COMMIT stopped waiting for its standby (a warning with SQLSTATE 01000)."""
    return notice.source_function == _STANDBY_WAIT_FUNCTION


def watch_commits(engine: Engine) -> None:
    """Record for each new connection of this engine whether a standby confirmed its last COMMIT.

    `require_replicated` reads the record.
    """
    event.listen(engine, "connect", _watch_notices)


def require_replicated(connection: Connection) -> None:
    """Check that a standby confirmed the last COMMIT of this connection. Raises UnknownCommitError if not."""
    if connection.info.pop(_UNREPLICATED_COMMIT_KEY, False):
        raise UnknownCommitError("the wait for a standby was cancelled: the outcome of the commit is unknown")


def met_wrong_server(error: DBAPIError) -> bool:
    """Return whether an error shows that the server has ended the session or is not the primary.

    All connections of the pool must then be replaced, because they lead to the same server.
    """
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or str(state or "").startswith(_WRONG_SERVER_STATES)


def _watch_notices(connection: Any, record: Any) -> None:
    def remember_unreplicated(notice: Diagnosis) -> None:
        if is_unreplicated_commit(notice):
            record.info[_UNREPLICATED_COMMIT_KEY] = True

    connection.add_notice_handler(remember_unreplicated)
