"""Keep published events in the outbox until no failover of Redis can lose them."""

import time
from datetime import timedelta

import structlog

from emr.client import PaymentFeed
from emr.outbox_table import Connection, has_confirmed, settle_confirmed

CONFIRMED_KEPT = timedelta(seconds=60)
"""The time for which a published event stays in the outbox, so that it can be published again after a failover."""
_SETTLE_INTERVAL_NS = 1_000_000_000
log = structlog.get_logger()


class ConfirmedEvents:
    """The events that a primary and a replica confirmed, and that stay in the outbox for CONFIRMED_KEPT.

    A failover can lose such an event: Sentinel may promote a replica that does not have it, while the old primary and
    another replica still confirm events. Each primary has its own replication ID. So events that were confirmed under
    another ID than the present one are published again.
    """

    def __init__(self, feed: PaymentFeed) -> None:
        self._feed = feed
        self._settle_at_ns = 0
        self._may_exist = True  # a relay may have stopped

    def settle(self, connection: Connection, replication_id: str | None) -> None:
        """After a failover, mark events as waiting again. Delete events that are older than CONFIRMED_KEPT.

        A call within a second of the last one does nothing. `replication_id` is that of the primary that has just
        confirmed a chunk, or None. The caller commits. Raises the errors of `PaymentFeed.find_replication_id`, and the
        driver's error if the database fails.
        """
        self._may_exist |= replication_id is not None
        if not self._may_exist or time.monotonic_ns() < self._settle_at_ns:
            return
        self._settle_at_ns = time.monotonic_ns() + _SETTLE_INTERVAL_NS
        self._may_exist = has_confirmed(connection)
        if not self._may_exist:
            return
        count = settle_confirmed(connection, replication_id or self._feed.find_replication_id(), CONFIRMED_KEPT)
        if count:
            log.warning("outbox_events_published_again", events=count)
