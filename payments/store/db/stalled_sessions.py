"""Find and terminate stalled sessions: backends that wait for their client in the middle of a statement.

PostgreSQL's idle-in-transaction timeout applies between statements only. A backend that waits for the rows of a COPY,
or for the client to read its result, has no timeout and keeps its locks. This happens when a client's machine freezes
or loses its network (docs/decisions/0019).
"""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from payments.store.db.bulk import column_arrays
from payments.store.db.connection import Transaction
from payments.store.db.statement import text

_WAITS_FOR_CLIENT = "state = 'active' AND wait_event IN ('ClientRead', 'ClientWrite')"


class StalledSession(NamedTuple):
    """A backend that waits for its client: its process id, and the time at which its current statement started."""

    pid: int
    query_start: datetime


def find(tx: Transaction, applications: Collection[str]) -> set[StalledSession]:
    """Return the backends that wait for their client now.

    Only backends of the current user in the current database that have one of these application names are returned.
    """
    found = tx.execute(
        text(
            "SELECT pid, query_start FROM pg_stat_activity WHERE datname = current_database() "
            "AND usename = current_user AND split_part(application_name, ' (', 1) = ANY(:applications) "
            f"AND {_WAITS_FOR_CLIENT}"
        ),
        {"applications": list(applications)},
    )
    return {StalledSession(**row) for row in found.mappings()}


def terminate(tx: Transaction, sessions: Collection[StalledSession]) -> int:
    """Terminate the backends that still wait in the same statement. PostgreSQL rolls back their transactions.

    Return the number of terminated backends.
    """
    found = tx.execute(
        text(
            "SELECT count(pg_terminate_backend(activity.pid)) FROM pg_stat_activity AS activity "
            "JOIN unnest(CAST(:pid AS INTEGER[]), CAST(:query_start AS TIMESTAMPTZ[])) AS stalled(pid, query_start) "
            f"ON stalled.pid = activity.pid AND stalled.query_start = activity.query_start WHERE {_WAITS_FOR_CLIENT}"
        ),
        column_arrays([session._asdict() for session in sessions], StalledSession._fields),
    )
    return int(found.scalar_one())
