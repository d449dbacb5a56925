"""Cuts off who fell silent in the midst of a statement, frozen or behind a pulled cable, and so frees its locks."""

from collections.abc import Sequence

import structlog

from payments.store.db import stalled_sessions
from payments.store.db.connection import Database, is_transient, transaction
from payments.store.db.stalled_sessions import Silence

log = structlog.get_logger()

SILENT_SECONDS_MAX = 10
"""Less than others wait for a lock, with the pace of the looks on top: these get it and need no second try."""


class Silences:
    """Knows since when whose connection has been waiting so, by a steady clock."""

    def __init__(self, database: Database, applications: Sequence[str]) -> None:
        self._database, self._applications = database, applications
        self._since: dict[Silence, float] = {}

    def end(self, now: float) -> int:
        """Look, end who has been found silent for too long, and return how many; none where that fails.

        `now` is in seconds, by a clock that is never set.
        """
        try:
            with transaction(self._database) as tx:
                found = stalled_sessions.silences(tx, self._applications)
                self._since = {each: self._since.get(each, now) for each in found}
                stuck = [each for each, since in self._since.items() if now - since >= SILENT_SECONDS_MAX]
                return stalled_sessions.end(tx, stuck) if stuck else 0
        except Exception as error:
            # Whoever calls has payments to let in, which a role that may not end anyone is no reason to stop.
            if not is_transient(error):
                log.exception("silent workers not looked for")
            return 0
