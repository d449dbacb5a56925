"""An EMR that saves into its own database, and publishes through an outbox and a relay."""

import json
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from config.database_urls import libpq_url, with_database
from emr.client import PaymentFeed
from emr.durability import Durability
from emr.outbox import Relay, create_table, waiting, write
from tests.faults.processes import wait_for
from tests.faults.workload import MEMORY_DURABILITY, Pace, Publisher, open_feed

SAVES_PER_ROLLBACK = 5


@contextmanager
def emr_database(database_url: str) -> Iterator[str]:
    """Create the EMR's database on Billing's server, with the outbox and a table of saves."""
    server, name = libpq_url(database_url), f"emr_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = with_database(server, name)
    with psycopg.connect(url) as connection:
        create_table(connection)
        connection.execute("CREATE TABLE saves (event bytea NOT NULL)")
    yield url


class OutboxPublisher(Publisher):
    """A publisher that writes each event and its outbox row in one transaction, and rolls back some transactions."""

    def __init__(
        self,
        emr_url: str,
        feed_url: str,
        bodies: Iterable[bytes],
        pace: Pace,
        durability: Durability = MEMORY_DURABILITY,
    ) -> None:
        super().__init__(feed_url, bodies, pace)
        self.emr_url, self.durability = emr_url, durability
        self.saves = self.undone = self.waited_max = 0
        self.connection = psycopg.connect(emr_url)
        self.relay = threading.Thread(target=self._relay, name="relay", daemon=True)
        self.is_over = threading.Event()

    def run(self) -> None:
        self.relay.start()
        super().run()

    def finish(self, seconds_max: float = 300) -> list[bytes]:
        """Stop saving, wait until the relay has published all events, and return the saved events."""
        saved = super().finish(seconds_max)
        wait_for(lambda: self._waiting_count() == 0, seconds_max, "the outbox is empty")
        self.is_over.set()
        self.relay.join(30)
        self.connection.close()
        return saved

    def _try_publish(self, _feed: PaymentFeed, some: list[bytes]) -> bool:
        self.saves += 1
        if self.saves % SAVES_PER_ROLLBACK == 0:
            self._save(map(_uncommitted_copy, some))
            self.connection.rollback()
            self.undone += 1
        self._save(some)
        self.connection.commit()
        self.waited_max = max(self.waited_max, self._waiting_count())
        return True

    def _save(self, some: Iterable[bytes]) -> None:
        for body in some:
            self.connection.execute("INSERT INTO saves VALUES (%s)", [body])
            write(self.connection, body)

    def _waiting_count(self) -> int:
        count = waiting(self.connection)
        self.connection.rollback()
        return count

    def _open_feed(self) -> PaymentFeed:
        return open_feed(self.url, self.durability)

    def _relay(self) -> None:
        def wait() -> bool:
            time.sleep(0.05)
            return not self.is_over.is_set()

        with psycopg.connect(self.emr_url) as connection, self._open_feed() as feed:
            Relay(connection, feed).run(wait)


def _uncommitted_copy(body: bytes) -> bytes:
    """Return a copy of a save with another payment id, for a transaction that is rolled back."""
    saved = json.loads(body) | {"event_id": str(uuid.uuid4())}
    return json.dumps(saved | dict.fromkeys(("payment_id", "patient_id"), "never-saved")).encode()
