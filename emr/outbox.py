"""The transactional outbox: what the EMR saves and what it says of it become true together, or neither does.

The EMR writes the event into a table of its own PostgreSQL, in the transaction of the save itself; a relay takes it
from there to the feed, whenever the feed answers. Any DB-API connection with the parameter style `%s` will do (psycopg,
psycopg2, pg8000). Knows nothing of Billing.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from emr.client import CHUNK_EVENTS, FeedError, PaymentFeed, Publishable, body_of

TABLE = """
CREATE TABLE IF NOT EXISTS payment_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event bytea NOT NULL
)
"""
_WRITE = "INSERT INTO payment_outbox (event) VALUES (%s)"
# Rows that another relay holds are passed over, so that any number of relays share the work.
_TAKE = "SELECT id, event FROM payment_outbox ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED"
_FORGET = "DELETE FROM payment_outbox WHERE id = ANY(%s)"
_COUNT = "SELECT count(*) FROM payment_outbox"


class Cursor(Protocol):
    """As much of a DB-API cursor as is needed here."""

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> Any:
        """Run a statement."""

    def fetchall(self) -> Any:
        """Return the rows found."""

    def close(self) -> None:
        """Let go of it."""


class Connection(Protocol):
    """As much of a DB-API connection as is needed here."""

    def cursor(self) -> Any:
        """Return a cursor."""

    def commit(self) -> None:
        """Make what was done permanent."""

    def rollback(self) -> None:
        """Undo what was done."""


def create_table(connection: Connection) -> None:
    """Create the outbox in the EMR's database where it is missing; the caller commits."""
    _run(connection, TABLE)


def write(connection: Connection, event: Publishable) -> None:
    """Write an event into the outbox, in the transaction that the connection is in; the caller commits.

    The event's id is made here and now, with the save: however often the relay says it, it counts once.
    """
    _run(connection, _WRITE, (body_of(event),))


def waiting(connection: Connection) -> int:
    """Return how many events wait for the relay."""
    return int(_found(connection, _COUNT)[0][0])


class Relay:
    """Takes events from the outbox to the feed, oldest first; any number of relays may run.

    An event leaves the outbox after the feed has confirmed it. A relay that is cut off in between says it again, which
    the event id makes harmless. With several relays an event may overtake an older one; their versions allow for that.
    """

    def __init__(self, connection: Connection, feed: PaymentFeed, chunk: int = CHUNK_EVENTS) -> None:
        self._connection, self._feed, self._chunk = connection, feed, chunk

    def turn(self) -> int:
        """Carry up to a chunk of events over and return how many they were.

        Raises FeedError while the feed does not take them; they stay where they are.
        """
        try:
            rows = _found(self._connection, _TAKE, (self._chunk,))
            self._feed.publish_many([bytes(event) for _, event in rows])
            if rows:
                _run(self._connection, _FORGET, ([number for number, _ in rows],))
            self._connection.commit()
        except BaseException:
            # A connection that is cut has nothing left to undo, and the error that cut it is the one to be seen.
            with contextlib.suppress(Exception):
                self._connection.rollback()
            raise
        return len(rows)

    def run(self, wait: Callable[[], bool]) -> None:
        """Carry events over until `wait` says no; it is called when there is nothing to do or the feed is away."""
        while True:
            try:
                idle = self.turn() < self._chunk
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
