"""Terminate database sessions whose worker stalled mid-statement, to release their locks.

A worker that is frozen or has lost its network connection keeps its row locks. The import of its redelivered entries
waits for these locks until its session ends.
"""

from collections.abc import Sequence

import structlog

from payments.store.db import stalled_sessions
from payments.store.db.connection import Database, is_transient, transaction
from payments.store.db.stalled_sessions import StalledSession

log = structlog.get_logger()

STALLED_MS_MAX = 10_000
"""A session that has stalled for longer is terminated. The limit is shorter than the lock timeout of all workers."""


class StalledSessions:
    """Measures how long each database session has been stalled mid-statement."""

    def __init__(self, database: Database, application_names: Sequence[str]) -> None:
        """Watch the sessions of these applications.

        `application_names` are values of PostgreSQL's `application_name`.
        """
        self._database, self._application_names = database, application_names
        self._stalled_since: dict[StalledSession, int] = {}

    def terminate(self, now_ms: int) -> int:
        """Terminate the sessions that have been stalled for STALLED_MS_MAX. Return the number of terminated sessions.

        `now_ms` is the time of a monotonic clock. Errors are logged and not raised, because the dispatcher must
        continue even if its database role may not terminate sessions.
        """
        try:
            with transaction(self._database) as tx:
                found = stalled_sessions.find(tx, self._application_names)
                self._stalled_since = {each: self._stalled_since.get(each, now_ms) for each in found}
                overdue = [each for each, since in self._stalled_since.items() if now_ms - since >= STALLED_MS_MAX]
                return stalled_sessions.terminate(tx, overdue) if overdue else 0
        except Exception as error:
            if not is_transient(error):
                log.exception("stalled_session_check_failed")
            return 0
