"""The circuit breaker of the import. While it is open, entries are imported only one by one, as probes.

An importer opens the breaker when an attempt fails because of an outage. The dispatcher closes it when a probe
succeeds. The state of the breaker is a key in the feed's Redis, so all processes and the health check see it. The key
expires, so that the breaker does not stay open if no dispatcher runs.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

import redis
import structlog

from payments.core.outage import OutageReason
from tasks.feed.attempt_errors import IsolatedEntry, IsolatedEntryError, outage_of

log = structlog.get_logger()

OUTAGE_KEY = "payments:import:outage"
OUTAGE_EXPIRY_SECONDS = 60
"""The breaker stays open for this time after the latest report."""


class Outage(NamedTuple):
    """The outage for which the breaker is open. `since` is the time of its first report.

    `blocked_entry` is an entry that was imported alone and failed because of the outage; None until there is one. The
    outage is over when this entry can be imported.
    """

    reason: OutageReason
    since: datetime
    blocked_entry: IsolatedEntry | None = None


@contextmanager
def report_outages(client: redis.Redis) -> Iterator[None]:
    """Open the breaker if the block raises an error that is an outage. The error is raised again."""
    try:
        yield
    except Exception as error:
        if reason := outage_of(error):
            report(client, reason, error.entry if isinstance(error, IsolatedEntryError) else None)
        raise


def report(client: redis.Redis, reason: OutageReason, blocked_entry: IsolatedEntry | None = None) -> None:
    """Open the breaker, or keep it open. If the outage has no blocked entry yet, store `blocked_entry`.

    Errors of Redis are logged and not raised.
    """
    try:
        before = current(client)
        since = before.since if before else datetime.now(UTC)
        outage = Outage(reason, since, (before and before.blocked_entry) or blocked_entry)
        client.set(OUTAGE_KEY, _to_json(outage), ex=OUTAGE_EXPIRY_SECONDS)
    except redis.RedisError as error:
        log.warning("outage_not_reported", reason=reason, error_class=type(error).__name__)
        return
    if before is None:
        log.error("import_paused", reason=reason)


def current(client: redis.Redis) -> Outage | None:
    """Return the outage for which the breaker is open, or None if it is closed. Raises RedisError."""
    found = client.get(OUTAGE_KEY)
    return _from_json(found) if found else None


def clear(client: redis.Redis, outage: Outage) -> None:
    """Close the breaker, because the outage is over. Raises RedisError."""
    client.delete(OUTAGE_KEY)
    seconds = round((datetime.now(UTC) - outage.since).total_seconds(), 1)
    log.warning("import_resumed", reason=outage.reason, seconds=seconds)


def _to_json(outage: Outage) -> str:
    # Earlier releases, which may run during an upgrade, read the blocked entry under the name `witness`.
    return json.dumps({"reason": outage.reason, "since": outage.since.isoformat(), "witness": outage.blocked_entry})


def _from_json(text: bytes | str) -> Outage:
    found = json.loads(text)
    blocked_entry = IsolatedEntry(*found["witness"]) if found["witness"] else None
    # During an upgrade, a later release may have stored a reason that this one does not have.
    is_known = found["reason"] in set(OutageReason)
    reason = OutageReason(found["reason"]) if is_known else OutageReason.DATABASE_UNAVAILABLE
    return Outage(reason, datetime.fromisoformat(found["since"]), blocked_entry)
