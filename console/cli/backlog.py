"""Read the backlog of an installation, and wait until it is empty."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from console.cli.session import CliContext

if TYPE_CHECKING:
    from payments.store.db.connection import Database
    from tasks.feed.streams import Streams

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Backlog:
    """Counts of unfinished work: feed entries, due payments, payments to check for exceptions, and held payments.

    If PostgreSQL or Redis does not answer, `problem` is the error and every count is 0.
    """

    on_feed: int = 0
    due: int = 0
    to_check: int = 0
    held: int = 0
    problem: str | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no work is due now. Held payments do not count, because they are due later."""
        return not (self.on_feed or self.due or self.to_check or self.problem)

    def __str__(self) -> str:
        if self.problem:
            return self.problem
        parts = {
            "on the feed": self.on_feed,
            "due now": self.due,
            "to be checked for exceptions": self.to_check,
            "held for a later attempt": self.held,
        }
        return ", ".join(f"{count:,} {where}" for where, count in parts.items() if count) or "nothing"


def wait_until_idle(context: CliContext, timeout_seconds: float, on_poll: Callable[[Backlog], None]) -> Backlog:
    """Poll until no work is due or the timeout has passed. Return the last backlog.

    `on_poll` is called with each backlog.
    """
    deadline = time.monotonic() + timeout_seconds
    for backlog in _poll(context):
        on_poll(backlog)
        if backlog.is_idle or time.monotonic() >= deadline:
            return backlog
        time.sleep(max(0.0, min(POLL_SECONDS, deadline - time.monotonic())))
    raise AssertionError("_poll never ends")


def _poll(context: CliContext) -> Iterator[Backlog]:
    from payments.store.db.connection import connect
    from tasks.feed.streams import Streams
    from tasks.resources import connect_redis

    database = connect(context.engines.database_url, application_name="payments wait", pool_size=1)
    with closing(connect_redis(context.engines.redis_url)) as feed:
        try:
            while True:
                yield _read(Streams.from_settings(feed, context.settings), database)
        finally:
            database.dispose()


def _read(feed: Streams, database: Database) -> Backlog:
    """Read the backlog. The feed is read before the ledger, so that no entry is missed.

    An importer commits an entry to the ledger before it acknowledges the entry on the feed.
    """
    from redis.exceptions import RedisError

    from payments.journeys.reporting import load_backlog
    from payments.store.db.connection import is_transient, transaction

    try:
        on_feed = feed.waiting_count()
        with transaction(database) as tx:
            lines = load_backlog(tx, datetime.now(UTC))
    except RedisError:
        return Backlog(problem="Redis does not answer")
    except Exception as error:
        if not is_transient(error):
            raise
        return Backlog(problem="PostgreSQL does not answer")
    return Backlog(on_feed, lines.due, lines.to_examine, lines.later)
