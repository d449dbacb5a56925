"""Check that a pooled connection is open before it is used, without a query.

When a server stops or ends a session, it closes the connection. If the server is unreachable, keep-alive probes close
the connection. A closed connection has input to read, so a connection without input counts as open.
"""

import select
from typing import Any

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError


def check_connections(engine: Engine) -> None:
    """Check each connection when it is taken from the pool. If it is closed, replace all connections of the pool.

    The check raises InvalidatePoolError, which makes SQLAlchemy replace them.
    """

    def check(connection: Any, _record: object, _proxy: object) -> None:
        if _has_input(connection):
            try:
                ping(engine, connection)
            except psycopg.Error as error:
                raise InvalidatePoolError from error

    event.listen(engine, "checkout", check)


def ping(engine: Engine, connection: Any) -> None:
    """Ask the server to answer on a psycopg connection, in one round trip. Raises psycopg.Error."""
    engine.dialect.do_ping(connection)


def _has_input(connection: Any) -> bool:
    """Return whether something can be read: usually the end of the session, rarely a notice to an idle session."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
