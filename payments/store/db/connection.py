"""The connection to PostgreSQL and the one commit of the project."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from psycopg.types.array import ListBinaryDumper
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

Database = Engine
"""A process's way to PostgreSQL."""
Transaction = Connection
"""An open transaction; what store functions and journeys are handed."""

LOCK_TIMEOUT_SECONDS = 15
SILENT_SECONDS_MAX = 12
"""So long PostgreSQL keeps a worker's transaction open when it says nothing in it. A worker that is frozen would hold
its locks for ever. It is less than others wait for a lock, so that these get it and need no second try."""
_NOTICE_THE_DEAD = (
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 -c tcp_user_timeout=15s"
)
"""How soon PostgreSQL notices that the machine at the other end is gone, whoever was at work there, and lets go of its
locks. By itself it asks for the first time after two hours."""
_BY_INDEX = "-c enable_seqscan=off"
"""PostgreSQL keeps the plan of a statement that comes again and again, also of those by which it looks foreign keys up.
A plan made while a table was known to be empty reads the whole of it for each row, and goes on so as the table grows,
until that is analysed anew (docs/decisions/0020)."""
_TRANSIENT_STATES = ("08", "25006", "25P03", "40", "53", "55P03", "57", "58")
"""SQLSTATE prefixes that pass by themselves: connection, a standby that only reads, silent for too long, rollback,
resources, lock not available, shutdown, the machine's disk."""


class ConcurrentWriteError(Exception):
    """Another worker wrote the same line first, or changed the tables; the transaction can simply be run again."""


def connect(
    database_url: str,
    *,
    application_name: str,
    pool_size: int = 2,
    silent_seconds_max: int | None = None,
    reads_whole_tables: bool = True,
) -> Engine:
    """Return an engine for this process. Nothing is connected before the first transaction.

    A transaction in which nothing is said for `silent_seconds_max` is ended. A person may read a report for as long as
    they like; a worker may not. `reads_whole_tables` is false for who always looks single rows up.
    """
    options = [f"-c lock_timeout={LOCK_TIMEOUT_SECONDS}s -c timezone=UTC", _NOTICE_THE_DEAD]
    if silent_seconds_max is not None:
        options.append(f"-c idle_in_transaction_session_timeout={silent_seconds_max}s")
    if not reads_whole_tables:
        options.append(_BY_INDEX)
    engine = create_engine(
        database_url,
        pool_size=pool_size,
        max_overflow=0,
        use_native_hstore=False,  # no column is one, and to ask about it is a query for each process
        pool_pre_ping=True,
        # An error would quote them wherever it is shown, and with them what a payment says of its patient.
        hide_parameters=True,
        connect_args={
            "application_name": application_name,
            "connect_timeout": 5,
            "options": " ".join(options),
            "keepalives_idle": 10,
            "tcp_user_timeout": 15_000,
        },
    )
    event.listen(engine, "connect", _send_arrays_in_binary)
    return engine


def _send_arrays_in_binary(connection: Any, _record: object) -> None:
    """Spare every text in an array its quoting, the largest part of the cost of sending one."""
    connection.adapters.register_dumper(list, ListBinaryDumper)


@contextmanager
def transaction(engine: Engine) -> Iterator[Transaction]:
    """Open a transaction, and commit it at the end or roll it back on an error.

    Raises LostRaceError where a migration has changed what a statement of this connection was prepared for; the
    rollback forgets these statements.
    """
    # Begun at once: SQLAlchemy would commit nothing where all that happened was a COPY, which goes past it.
    with engine.begin() as connection:
        try:
            yield connection
        except DBAPIError as error:
            if _is_outdated(error):
                raise ConcurrentWriteError("a migration has changed the tables meanwhile") from error
            raise


def snapshot_transaction(engine: Engine) -> AbstractContextManager[Transaction]:
    """Open a transaction that sees all as of one moment, whatever others commit, and commit it at the end.

    For reports that ask more than once and have to add up. They may add to the audit; who changes a row that others
    change as well would lose the race.
    """
    return transaction(engine.execution_options(isolation_level="REPEATABLE READ"))


def is_answering(engine: Engine) -> bool:
    """Say whether PostgreSQL answers a query now."""
    try:
        with engine.connect():  # the pool asks before it hands a connection out
            return True
    except DBAPIError:
        return False


def _is_outdated(error: DBAPIError) -> bool:
    """Say whether a statement would now return other columns than when it was prepared, as after a migration."""
    # By where it comes from: its SQLSTATE says no more than that something is not supported.
    diagnosis = getattr(error.orig, "diag", None)
    return getattr(diagnosis, "source_function", None) == "RevalidateCachedQuery"


def is_transient(error: BaseException) -> bool:
    """Say whether the same transaction may succeed later: a lost connection, a lock, a deadlock, a full disk."""
    if isinstance(error, ConcurrentWriteError | InterfaceError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return error.connection_invalidated or isinstance(error, OperationalError)
    return str(state).startswith(_TRANSIENT_STATES)
