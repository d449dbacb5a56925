"""Close connections to a former primary that never answers.

After a failover, a hanging machine or a load balancer can keep old connections open. Packets are still acknowledged, so
no keep-alive ends such a connection, and the client waits forever for an answer.

A thread checks the connections of an engine every CHECK_SECONDS. If a connection is in the same wait in SILENT_CHECKS
consecutive checks, the thread opens a new connection to the URL and asks its server whether it has the session of the
old connection. If the server does not have it, the old connection is closed, and its transaction fails with a lost
connection.
"""

import os
import socket
import threading
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import psycopg
import structlog
from sqlalchemy import Engine, event

log = structlog.get_logger(__name__)

CHECK_SECONDS, SILENT_CHECKS, ANSWER_SECONDS = 1, 10, 5
_HAS_SESSION_QUERY = (
    "SELECT pg_is_in_recovery() OR EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND application_name = %s)"
)


class WatchedConnection(psycopg.Connection[Any]):
    """A connection that numbers its waits for the server.

    `waits` is the number of waits so far. `current_wait` is the number of the current wait, 0 if there is none.
    """

    current_wait = waits = 0

    def wait(self, *arguments: Any, **options: Any) -> Any:
        """Wait for the server as psycopg does."""
        self.waits += 1
        self.current_wait = self.waits
        try:
            return super().wait(*arguments, **options)
        finally:
            self.current_wait = 0


class _AskingConnection(psycopg.Connection[Any]):
    """A connection that waits at most ANSWER_SECONDS for each answer."""

    def wait(self, gen: Any, *_arguments: Any, **_options: Any) -> Any:
        return super().wait(gen, timeout=ANSWER_SECONDS)


class _Watch:
    """The connections of an engine, and a thread that checks them as long as any of them is open."""

    def __init__(self) -> None:
        self._lock, self._connections = threading.Lock(), WeakSet[WatchedConnection]()
        self._watching_pid = 0

    def connect(self, _dialect: object, _record: object, arguments: Any, parameters: Any) -> WatchedConnection:
        """Open a connection, and let the thread check it. This method handles SQLAlchemy's event `do_connect`."""
        connection = WatchedConnection.connect(*arguments, **parameters)
        with self._lock:
            self._connections.add(connection)
            # A forked process has no thread.
            if self._watching_pid != os.getpid():
                self._watching_pid = os.getpid()
                threading.Thread(target=self._run, args=[arguments, parameters], daemon=True).start()
        return connection

    def _run(self, arguments: Any, parameters: Any) -> None:
        checks = WeakKeyDictionary[WatchedConnection, tuple[int, int]]()
        pause = threading.Event()
        while connections := self._open_connections():
            for connection in connections:
                wait, (before, count) = connection.current_wait, checks.get(connection, (0, 0))
                count = count + 1 if wait and wait == before else 0
                # Until a server answers, the next check asks again.
                if count >= SILENT_CHECKS and self._examine(connection, arguments, parameters):
                    count = 0
                checks[connection] = (wait, count)
            del connections, connection
            pause.wait(CHECK_SECONDS)

    def _open_connections(self) -> list[WatchedConnection]:
        """Return the open connections. If there are none, mark the thread as ended."""
        with self._lock:
            found = [each for each in self._connections if not each.closed]
            if not found:
                self._watching_pid = 0
            return found

    def _examine(self, connection: WatchedConnection, arguments: Any, parameters: Any) -> bool:
        """Ask the server of a new connection whether it has the session of `connection`. If not, close `connection`.

        Return whether the server has answered.
        """
        wait = connection.current_wait
        try:
            # A server that is being shut down or is not reachable tells nothing.
            with _AskingConnection.connect(*arguments, **parameters, autocommit=True) as other:
                session = [connection.info.backend_pid, parameters.get("application_name")]
                (has_session,) = other.execute(_HAS_SESSION_QUERY, session).fetchone() or (True,)
        except psycopg.Error:
            return False
        if not has_session and connection.current_wait == wait:
            log.warning("connection_to_former_primary_closed", backend_pid=connection.info.backend_pid)
            with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as shared:
                shared.shutdown(socket.SHUT_RDWR)
        return True


def watch_connections(engine: Engine) -> None:
    """Check the new connections of this engine as the module describes.

    Do not use it behind PgBouncer, because PostgreSQL does not know the sessions of PgBouncer.
    """
    event.listen(engine, "do_connect", _Watch().connect)
