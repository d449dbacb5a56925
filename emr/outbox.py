"""Transactional outbox: an EMR stores the event in the transaction of the save, and a relay publishes it later.

The event is in a table of the EMR's own PostgreSQL. Any DB-API connection with the parameter style `%s` works (psycopg,
psycopg2, pg8000).
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from emr.client import CHUNK_EVENTS, PaymentFeed, Publishable, body_of
from emr.errors import FeedError

TABLE = """
CREATE TABLE IF NOT EXISTS payment_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event bytea NOT NULL
)
"""
_INSERT = "INSERT INTO payment_outbox (event) VALUES (%s)"
# Relays skip rows that another relay has locked, so that several can run.
_LOCK_OLDEST = "SELECT id, event FROM payment_outbox ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED"
_DELETE = "DELETE FROM payment_outbox WHERE id = ANY(%s)"
_COUNT = "SELECT count(*) FROM payment_outbox"


class Cursor(Protocol):
    """The part of a DB-API cursor that this module uses."""

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> Any:
        """Run a statement."""

    def fetchall(self) -> Any:
        """Return the remaining rows."""

    def close(self) -> None:
        """Close the cursor."""


class Connection(Protocol):
    """The part of a DB-API connection that this module uses."""

    def cursor(self) -> Any:
        """Return a cursor."""

    def commit(self) -> None:
        """Commit the transaction."""

    def rollback(self) -> None:
        """Roll the transaction back."""


def create_table(connection: Connection) -> None:
    """Create the outbox table in the EMR's database if it does not exist. The caller commits."""
    _run(connection, TABLE)


def write(connection: Connection, event: Publishable) -> None:
    """Add an event to the outbox in the connection's current transaction. The caller commits.

    The event id is fixed here, so repeated publishing counts once.
    """
    _run(connection, _INSERT, (body_of(event),))


def waiting(connection: Connection) -> int:
    """Return the number of events that wait in the outbox."""
    return int(_found(connection, _COUNT)[0][0])


class Relay:
    """Publishes events from the outbox, oldest first. Several relays may run.

    An event leaves the outbox after the feed has confirmed it. An interrupted relay publishes it again, which the event
    id makes harmless. With several relays an event may overtake an older one; versions allow for that.
    """

    def __init__(self, connection: Connection, feed: PaymentFeed, chunk: int = CHUNK_EVENTS) -> None:
        self._connection, self._feed, self._chunk = connection, feed, chunk

    def publish_chunk(self) -> int:
        """Publish up to a chunk of events, and return their number.

        Raises FeedError if the feed does not accept them; they stay in the outbox.
        """
        try:
            rows = _found(self._connection, _LOCK_OLDEST, (self._chunk,))
            self._feed.publish_many([bytes(event) for _, event in rows])
            if rows:
                _run(self._connection, _DELETE, ([number for number, _ in rows],))
            self._connection.commit()
        except BaseException:
            # On a broken connection the rollback fails too; the first error is the one to raise.
            with contextlib.suppress(Exception):
                self._connection.rollback()
            raise
        return len(rows)

    def run(self, wait: Callable[[], bool]) -> None:
        """Publish events until `wait` returns False.

        `wait` is called when the outbox is empty or the feed is unavailable.
        """
        while True:
            try:
                idle = self.publish_chunk() < self._chunk
            except FeedError:
                idle = True
            if idle and not wait():
                return


def _run(connection: Connection, statement: str, parameters: Sequence[Any] = ()) -> None:
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute(statement, parameters)


def _found(connection: Connection, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
