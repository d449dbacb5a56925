"""The standbys of PostgreSQL, as the primary sees them: their lag, and whether commits wait for them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from payments.store.db.connection import Transaction
from payments.store.db.statement import text

LAG_MAX = timedelta(seconds=30)
"""A standby with a larger lag than this is reported."""

_MAY_SEE_STANDBYS_QUERY = "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AND NOT pg_is_in_recovery()"
_STANDBYS_QUERY = """
SELECT application_name AS name, sync_state IN ('sync', 'quorum') AS is_synchronous,
    coalesce(flush_lag, interval '0') AS lag
FROM pg_stat_replication LEFT JOIN pg_replication_slots ON active_pid = pid AND slot_type = 'logical'
WHERE state IN ('streaming', 'catchup') AND slot_name IS NULL
ORDER BY application_name
"""


class Standby(NamedTuple):
    """A connected standby. `lag` is the time until a change is on the standby's disk."""

    name: str
    is_synchronous: bool
    lag: timedelta


class Replication(NamedTuple):
    """The standbys of a primary.

    `commits_wait` tells whether commits wait for a standby (`synchronous_standby_names`).
    """

    commits_wait: bool
    standbys: Sequence[Standby]

    @property
    def synchronous(self) -> list[Standby]:
        """The standbys for which commits wait."""
        return [each for each in self.standbys if each.is_synchronous]

    @property
    def asynchronous(self) -> list[Standby]:
        """The standbys that may lack the latest commits."""
        return [each for each in self.standbys if not each.is_synchronous]

    @property
    def lagging(self) -> list[Standby]:
        """The standbys whose lag exceeds LAG_MAX."""
        return [each for each in self.standbys if each.lag > LAG_MAX]


def read_replication(tx: Transaction) -> Replication | None:
    """Return the standbys of this server.

    Returns None if the server is itself a standby, or if the role is not in `pg_read_all_stats`.
    """
    if not tx.execute(text(_MAY_SEE_STANDBYS_QUERY)).scalar_one():
        return None
    names = str(tx.execute(text("SHOW synchronous_standby_names")).scalar_one())
    return Replication(bool(names.strip()), [Standby(**row) for row in tx.execute(text(_STANDBYS_QUERY)).mappings()])
