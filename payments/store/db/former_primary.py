"""Close connections to a former primary that keeps them open and answers nothing.

After a failover, a machine that hangs, or a load balancer that keeps its old connections, can leave a client waiting
for an answer that never comes: the kernel or the balancer still acknowledges its packets, so no keep-alive ends it.
A thread watches the connections of an engine. If one waits in SILENT_CHECKS checks in a row, a new connection asks the
server that the URL leads to now whether it has this session. If it has not, the old connection is closed, and its
transaction fails like any other whose connection is lost.
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
_HAS_SESSION = (
    "SELECT pg_is_in_recovery() OR EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND application_name = %s)"
)


class WatchedConnection(psycopg.Connection[Any]):
    """A connection that numbers its waits for the server. `current_wait` is 0 while it does not wait."""

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
    """A connection that waits for each answer for ANSWER_SECONDS at most."""

    def wait(self, gen: Any, *_arguments: Any, **_options: Any) -> Any:
        return super().wait(gen, timeout=ANSWER_SECONDS)


class _Watch:
    """The connections of an engine, and the thread that watches them while there are any."""

    def __init__(self) -> None:
        self._lock, self._connections = threading.Lock(), WeakSet[WatchedConnection]()
        self._watching_pid = 0

    def connect(self, _dialect: object, _record: object, arguments: Any, parameters: Any) -> WatchedConnection:
        """Open a connection and watch it. It handles SQLAlchemy's event `do_connect`."""
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
        """Return the open connections. If there are none, the thread ends."""
        with self._lock:
            found = [each for each in self._connections if not each.closed]
            if not found:
                self._watching_pid = 0
            return found

    def _examine(self, connection: WatchedConnection, arguments: Any, parameters: Any) -> bool:
        """Close a connection if the server that a new connection reaches does not have its session.

        Returns whether a server has answered.
        """
        wait = connection.current_wait
        try:
            # A server that is being shut down or is not reachable tells nothing.
            with _AskingConnection.connect(*arguments, **parameters, autocommit=True) as other:
                session = [connection.info.backend_pid, parameters.get("application_name")]
                (has_session,) = other.execute(_HAS_SESSION, session).fetchone() or (True,)
        except psycopg.Error:
            return False
        if not has_session and connection.current_wait == wait:
            log.warning("connection_to_former_primary_closed", backend_pid=connection.info.backend_pid)
            with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as shared:
                shared.shutdown(socket.SHUT_RDWR)
        return True


def watch_connections(engine: Engine) -> None:
    """Watch the new connections of this engine. Not behind PgBouncer: PostgreSQL does not know its sessions."""
    event.listen(engine, "do_connect", _Watch().connect)
