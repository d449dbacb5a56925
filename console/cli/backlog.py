"""Watches until nothing is queued or due; knows where work waits, and neither terminal nor option."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers at once)

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from console.cli.session import Installation

if TYPE_CHECKING:
    from payments.store.db.connection import Database
    from tasks.feed.streams import Streams

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Backlog:
    """What has not been dealt with: on the feed, and in the ledger what is due now, to be examined or held.

    Where an engine did not answer, `problem` says so and nothing else counts.
    """

    on_feed: int = 0
    due: int = 0
    to_examine: int = 0
    held: int = 0
    problem: str | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to be done now; what is held has its time ahead of it."""
        return not (self.on_feed or self.due or self.to_examine or self.problem)

    def __str__(self) -> str:
        if self.problem:
            return self.problem
        parts = {
            "on the feed": self.on_feed,
            "due now": self.due,
            "to be examined for exceptions": self.to_examine,
            "held for a later try": self.held,
        }
        return ", ".join(f"{count:,} {where}" for where, count in parts.items() if count) or "nothing"


def wait_until_idle(at: Installation, timeout_seconds: float, on_look: Callable[[Backlog], None]) -> Backlog:
    """Look until all is quiet or the time is over, and return what was seen last."""
    deadline = time.monotonic() + timeout_seconds
    for seen in _looks(at):
        on_look(seen)
        if seen.is_idle or time.monotonic() >= deadline:
            return seen
        time.sleep(max(0.0, min(POLL_SECONDS, deadline - time.monotonic())))
    raise AssertionError("the looks do not end")


def _looks(at: Installation) -> Iterator[Backlog]:
    from payments.store.db.connection import connect
    from tasks.feed.streams import Streams
    from tasks.resources import connect_redis

    database = connect(at.engines.database_url, application_name="payments wait", pool_size=1)
    with closing(connect_redis(at.engines.redis_url)) as feed:
        try:
            while True:
                yield _look(Streams(feed, at.settings.stream, at.settings.streams), database)
        finally:
            database.dispose()


def _look(feed: Streams, database: Database) -> Backlog:
    """Look at the feed first: what leaves it is in the ledger by then."""
    from redis.exceptions import RedisError

    from payments.journeys.reporting import waiting
    from payments.store.db.connection import is_transient, transaction

    try:
        on_feed = feed.length()
        with transaction(database) as tx:
            left = waiting(tx, datetime.now(UTC))
    except RedisError:
        return Backlog(problem="Redis does not answer")
    except Exception as error:
        if not is_transient(error):
            raise
        return Backlog(problem="PostgreSQL does not answer")
    return Backlog(on_feed, left.due, left.to_examine, left.later)
