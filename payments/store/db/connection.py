"""The connection to PostgreSQL, and the only commit of the project."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
from psycopg.types.array import ListBinaryDumper
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from payments.store.db.failover import UnknownCommitError, met_wrong_server, require_replicated, watch_commits
from payments.store.db.former_primary import watch_connections
from payments.store.db.liveness import check_connections, ping
from payments.store.db.pipeline import allow_deferring, deferring
from payments.store.db.session_settings import (
    IDLE_IN_TRANSACTION_SECONDS_MAX,
    LOCK_TIMEOUT_SECONDS,
    NO_PREPARED_STATEMENTS,
    TransactionSettings,
    session_settings,
    split_pooler,
    startup_options,
)

__all__ = ["IDLE_IN_TRANSACTION_SECONDS_MAX", "LOCK_TIMEOUT_SECONDS"]

Database = Engine
"""A process's engine, with its connection pool."""
Transaction = Connection
"""A connection with an open transaction, as store functions and journeys receive it."""

SESSION_NAME_SUFFIX = " (company keys)"
"""The suffix of `application_name` in sessions of this release. `workers.migrate --finish` waits until all sessions
without it have ended."""
_TRANSIENT_STATES = ("08", "25006", "25P03", "40", "53", "55P03", "57", "58")
"""Prefixes of SQLSTATE codes of transient errors: lost connection, read-only standby, idle-in-transaction timeout,
rollback, insufficient resources, lock not available, shutdown, disk error."""

_CONFLICT_STATES = ("40001", "40P01")
"""SQLSTATE codes of a serialization failure and of a deadlock."""


_CONNECT_ARGS: dict[str, str | int] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "tcp_user_timeout": 15_000,
    "client_encoding": "utf8",
}
"""Arguments of each connection, unless the URL has an option of the same name."""


class UnsuitableDatabaseError(Exception):
    """The server refuses the URL, or the database is not set up for this program. The message says what to change."""


class ConcurrentWriteError(Exception):
    """Another worker created the same line first, or a migration changed a table. The transaction can be repeated."""


def connect(
    database_url: str,
    *,
    application_name: str,
    pool_size: int = 2,
    idle_in_transaction_seconds: int | None = None,
    allow_seqscan: bool = True,
) -> Engine:
    """Return an engine for this process. It connects when the first transaction starts.

    PostgreSQL ends a transaction that is idle for `idle_in_transaction_seconds`. Workers set this limit. Consoles do
    not, because a person may take any time to read a report. Processes that look up single rows set `allow_seqscan` to
    False. If the URL has the option `pgbouncer=true`, sessions keep no state between transactions.
    """
    url, is_pooled = split_pooler(database_url)
    settings = session_settings(idle_in_transaction_seconds=idle_in_transaction_seconds, allow_seqscan=allow_seqscan)
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        use_native_hstore=False,  # no column has this type, and detecting it costs each process a query
        # Otherwise an error message would contain the parameters, which are patient data.
        hide_parameters=True,
        connect_args={
            "application_name": application_name + SESSION_NAME_SUFFIX,
            **(NO_PREPARED_STATEMENTS if is_pooled else startup_options(settings, url.query.get("options"))),
            **{name: url.query.get(name, value) for name, value in _CONNECT_ARGS.items()},
        },
    )
    if is_pooled:
        event.listen(engine, "begin", TransactionSettings(settings))
    else:
        watch_connections(engine)
    require_utf8(engine)
    event.listen(engine, "connect", _send_arrays_in_binary)
    check_connections(engine)
    allow_deferring(engine)
    watch_commits(engine)
    return engine


def require_utf8(engine: Engine) -> None:
    """Check the encoding of each new connection of this engine.

    If the database is not in UTF-8, connecting raises UnsuitableDatabaseError. The check needs no query, because
    PostgreSQL sends its encoding when a session starts.
    """
    # First of all listeners: SQLAlchemy's own one fails on text from a database in SQL_ASCII.
    event.listen(engine, "connect", _check_encoding, insert=True)


def _check_encoding(connection: Any, _record: object) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in {"UTF8", None}:  # a connection pooler may not tell it
        name = connection.info.dbname
        connection.close()
        raise UnsuitableDatabaseError(
            f"the database {name} has the encoding {encoding}; create it with ENCODING 'UTF8' TEMPLATE template0"
        )


def _send_arrays_in_binary(connection: Any, _record: object) -> None:
    """Send arrays in binary format, because quoting their strings is most of the cost of the text format."""
    connection.adapters.register_dumper(list, ListBinaryDumper)


@contextmanager
def transaction(engine: Engine) -> Iterator[Transaction]:
    """Open a transaction (READ COMMITTED). Commit it at the end, or roll it back if an exception is raised.

    Raises ConcurrentWriteError if a migration has changed the result of a prepared statement. The rollback discards the
    prepared statements, so the transaction can be repeated. Raises UnknownCommitError if no standby confirmed the
    commit. The caller must then acknowledge nothing, and repeat the work.

    If the server has ended the session or has become read-only, as after a failover, all connections of the pool are
    replaced, because new connections may reach the new primary.
    """
    # `begin` first: if a COPY is all that happens, SQLAlchemy does not see it and would commit nothing.
    with engine.connect() as connection:
        try:
            with connection.begin(), deferring(connection):
                yield connection
            require_replicated(connection)
        except DBAPIError as error:
            if _is_outdated_plan(error):
                raise ConcurrentWriteError("a migration has changed the tables meanwhile") from error
            if met_wrong_server(error):
                connection.invalidate()
                engine.dispose()
            raise


def savepoint(tx: Transaction) -> AbstractContextManager[object]:
    """Open a savepoint in a transaction. If an exception is raised, roll back to the savepoint and raise it again."""
    return tx.begin_nested()


def autocommit(engine: Engine) -> Connection:
    """Open a connection on which each statement is its own transaction.

    PostgreSQL requires this for some statements.
    """
    return engine.execution_options(isolation_level="AUTOCOMMIT").connect()


def snapshot_transaction(engine: Engine) -> AbstractContextManager[Transaction]:
    """Open a REPEATABLE READ transaction, in which all queries see the same snapshot. Commit it at the end.

    Use it for reports of several queries whose figures must agree. It may insert into the audit history. It must not
    update rows that other transactions update, because PostgreSQL would reject the update.
    """
    return transaction(engine.execution_options(isolation_level="REPEATABLE READ"))


def is_reachable(engine: Engine) -> bool:
    """Return whether PostgreSQL answers a query now."""
    try:
        with engine.connect() as connection:
            ping(engine, connection.connection.dbapi_connection)
            return True
    except (DBAPIError, psycopg.Error):
        return False


def accepts_no_writes(engine: Engine) -> bool:
    """Return whether the server or the database is read-only. A standby is always read-only."""
    with engine.connect() as connection:
        setting = connection.exec_driver_sql("SHOW transaction_read_only").scalar_one()
    return bool(setting == "on")


def _is_outdated_plan(error: DBAPIError) -> bool:
    """Return whether an error says that a migration has changed the result columns of a prepared statement."""
    # The SQLSTATE says only "feature not supported"; the C function that raised the error is specific.
    diagnosis = getattr(error.orig, "diag", None)
    return getattr(diagnosis, "source_function", None) == "RevalidateCachedQuery"


def is_conflict(error: BaseException) -> bool:
    """Return whether a concurrent transaction caused the error. The work may succeed if it is repeated immediately."""
    if isinstance(error, ConcurrentWriteError):
        return True
    state = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
    return state in _CONFLICT_STATES


def is_transient(error: BaseException) -> bool:
    """Return whether the cause of the error may pass, such as a lost connection or a full disk."""
    if isinstance(error, ConcurrentWriteError | UnknownCommitError | InterfaceError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return error.connection_invalidated or isinstance(error, OperationalError)
    return str(state).startswith(_TRANSIENT_STATES)
