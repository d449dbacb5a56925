"""Send several statements to PostgreSQL in one round trip, by psycopg's pipeline mode.

`fetch_together` sends queries that do not need each other's result. `defer` keeps a statement, and sends it together
with the next other statement of the transaction or with the COMMIT.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, NoReturn, TypeVar, cast, overload
from weakref import WeakKeyDictionary

import psycopg
from psycopg.errors import PipelineAborted, UniqueViolation
from psycopg.pq import TransactionStatus
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection, Engine, event
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError

from payments.store.db.statement import text

_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]
_CAN_DEFER = "payments_can_defer"
_T_co = TypeVar("_T_co", covariant=True)
_T1 = TypeVar("_T1")
_T2 = TypeVar("_T2")
_T3 = TypeVar("_T3")


@dataclass(frozen=True, slots=True)
class Query(Generic[_T_co]):
    """A statement with named parameters, and the function that converts its rows.

    If `statement` is empty, nothing is sent, and `read` gets an empty list. `row_factory` is a row factory of psycopg.
    """

    statement: str
    parameters: dict[str, Any]
    read: Callable[[list[Any]], _T_co]
    row_factory: Any = namedtuple_row


@dataclass(frozen=True, slots=True)
class _Command:
    """A statement whose rows are not read. If `conflict` is set, it is raised instead of a UniqueViolation."""

    statement: str
    parameters: dict[str, Any]
    conflict: Exception | None = None
    row_factory: Any = namedtuple_row


_COMMIT = _Command("COMMIT", {})
_Statement = Query[Any] | _Command
_waiting: WeakKeyDictionary[Connection, list[_Command]] = WeakKeyDictionary()
"""The deferred statements by connection. A connection is missing if its transaction may not defer statements."""


def fetch(tx: Connection, query: Query[_T1]) -> _T1:
    """Execute a query. Raises DBAPIError."""
    return query.read(_execute(tx, [query])[0])


@overload
def fetch_together(tx: Connection, first: Query[_T1], second: Query[_T2], /) -> tuple[_T1, _T2]: ...
@overload
def fetch_together(
    tx: Connection, first: Query[_T1], second: Query[_T2], third: Query[_T3], /
) -> tuple[_T1, _T2, _T3]: ...
def fetch_together(tx: Connection, /, *queries: Query[Any]) -> tuple[Any, ...]:
    """Execute queries in order, in one round trip. Each sees the changes of earlier queries. Raises DBAPIError."""
    return tuple(query.read(rows) for query, rows in zip(queries, _execute(tx, queries), strict=True))


def defer(tx: Connection, statement: str, parameters: dict[str, Any], conflict: Exception | None = None) -> None:
    """Execute a statement later: together with the next other statement of the transaction, or with the COMMIT.

    Its error is raised at that time: `conflict`, if set, for a UniqueViolation, otherwise DBAPIError.
    Outside `connection.transaction` the statement is executed immediately.
    """
    command = _Command(statement, parameters, conflict)
    waiting = _waiting.get(tx)
    if waiting is None:
        _execute(tx, [command])
    else:
        waiting.append(command)


def send_deferred(tx: Connection) -> None:
    """Execute the deferred statements now. Raises their errors."""
    if _waiting.get(tx):
        _execute(tx, [])


def allow_deferring(engine: Engine) -> None:
    """Let transactions of this engine defer statements. They are sent before each statement of SQLAlchemy."""
    engine.update_execution_options(**{_CAN_DEFER: True})
    event.listen(engine, "before_cursor_execute", _send_deferred_before)
    event.listen(engine, "rollback", _drop_deferred)
    event.listen(engine, "rollback_savepoint", _drop_deferred)


def _send_deferred_before(connection: Connection, *_: object) -> None:
    send_deferred(connection)


def _drop_deferred(connection: Connection, *_: object) -> None:
    """Drop the deferred statements at a rollback.

    At a rollback to a savepoint, these are the statements that were deferred after the savepoint was set. Earlier ones
    were sent before it was set.
    """
    if waiting := _waiting.get(connection):
        waiting.clear()


@contextmanager
def deferring(tx: Connection) -> Iterator[None]:
    """Let statements be deferred in this block. At the end of the block, send them together with the COMMIT.

    If a deferred statement fails, its error is raised, and the transaction is not committed. If the block raises an
    exception, the deferred statements are not sent.
    """
    if not tx.get_execution_options().get(_CAN_DEFER):
        yield
        return
    _waiting[tx] = []
    try:
        yield
        if _waiting[tx]:
            _execute(tx, [_COMMIT])
    finally:
        del _waiting[tx]


def _execute(tx: Connection, statements: Sequence[_Statement]) -> list[list[Any]]:
    """Send the deferred statements, then `statements`. Return the rows of each of `statements`."""
    waiting = _waiting.get(tx, [])
    together: list[_Statement] = [*waiting, *statements]
    waiting.clear()
    connection: Any = tx.connection.driver_connection
    cursors = [connection.cursor(row_factory=each.row_factory) if each.statement else None for each in together]
    try:
        _run_in_pipeline(connection, [pair for pair in zip(cursors, together, strict=True) if pair[0]])
    except psycopg.Error as error:
        unanswered = (each for each, own in zip(together, cursors, strict=True) if own and not own.pgresult)
        _raise(tx, error, next(unanswered, together[-1]))
    except BaseException as error:
        # The session may still execute a statement: a time limit has ended the wait for it.
        tx.invalidate(error)
        raise
    found = cursors[len(together) - len(statements) :]
    return [own.fetchall() if own and own.description else [] for own in found]


def _run_in_pipeline(connection: Any, statements: Sequence[tuple[Any, _Statement]]) -> None:
    """Execute statements in pipeline mode. Raises the error of the first one that fails; the later ones are skipped."""
    if not statements:
        return
    first: BaseException | None = None
    try:
        with connection.pipeline() as pipeline:
            first = _send(connection, pipeline, statements)
    except psycopg.Error as error:
        first = first or _cause(connection, error)
    if first is not None:
        raise first


def _send(connection: Any, pipeline: Any, statements: Sequence[tuple[Any, _Statement]]) -> psycopg.Error | None:
    """Send statements without waiting for their results. Return an error that has already arrived, or None.

    The error is returned, not raised, so that psycopg does not log the errors of the skipped statements.
    """
    try:
        if _begins_plainly(connection):
            # psycopg would wait for the answer to BEGIN.
            connection.pgconn.send_query_params(b"BEGIN", None)
            pipeline.result_queue.append(None)
        for cursor, each in statements:
            cursor.execute(_driver_text(each.statement), each.parameters)
    except psycopg.Error as error:
        return error
    except BaseException:
        connection.close()  # otherwise psycopg would wait for the results
        raise
    return None


def _begins_plainly(connection: Any) -> bool:
    """Return whether the next statement begins a transaction with the settings of the session."""
    if connection.autocommit or connection.info.transaction_status != TransactionStatus.IDLE:
        return False
    return (connection.isolation_level, connection.read_only, connection.deferrable) == (None, None, None)


def _cause(connection: Any, error: psycopg.Error) -> BaseException:
    """Return the error of the first statement that failed, or the exception that ended the wait for the results.

    psycopg raises a later error in two cases: for the statements that PostgreSQL skipped after the first error, and if
    a time limit ended the wait, because the connection is then still in pipeline mode.
    """
    is_interrupted, found = bool(connection.pgconn.pipeline_status), cast("BaseException", error)
    while (
        isinstance(found, psycopg.Error)
        and found.__context__
        and (is_interrupted or isinstance(found, PipelineAborted))
    ):
        found = found.__context__
    return found


def _raise(tx: Connection, error: psycopg.Error, failed: _Statement) -> NoReturn:
    """Raise an error of the driver as SQLAlchemy does. A lost connection is removed from the pool."""
    if isinstance(failed, _Command) and failed.conflict and isinstance(error, UniqueViolation):
        raise failed.conflict from error
    connection: Any = tx.connection.driver_connection
    # A connection that is still in pipeline mode cannot be used again.
    is_lost = connection.closed or connection.broken or bool(connection.pgconn.pipeline_status)
    if is_lost:
        tx.invalidate(error)
    wrapped = DBAPIError.instance(failed.statement, None, error, psycopg.Error, connection_invalidated=is_lost)
    raise wrapped from error


@lru_cache(maxsize=1_000)
def _driver_text(statement: str) -> str:
    """Return a statement in the driver's notation of parameters."""
    return str(text(statement).compile(dialect=_DIALECT))
