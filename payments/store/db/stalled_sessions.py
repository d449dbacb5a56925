"""Connections whose process fell silent in the midst of a statement, and how they are ended.

PostgreSQL itself limits silence between two statements only. For the rows of a COPY, or the rest of a statement, it
waits for ever, whatever its time limits say, and keeps the locks: a machine whose cable was pulled would keep them.
"""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from payments.store.db.bulk import arrays
from payments.store.db.connection import Transaction
from payments.store.db.statement import text

_WAITS = "state = 'active' AND wait_event IN ('ClientRead', 'ClientWrite')"


class Silence(NamedTuple):
    """A connection that waits for its process in the midst of a statement, and when the statement began."""

    pid: int
    began: datetime


def silences(tx: Transaction, applications: Collection[str]) -> set[Silence]:
    """Return which connections of these applications, our own to this database, wait so just now."""
    found = tx.execute(
        text(
            "SELECT pid, query_start FROM pg_stat_activity WHERE datname = current_database() "
            f"AND usename = current_user AND application_name = ANY(:applications) AND {_WAITS}"
        ),
        {"applications": list(applications)},
    )
    return {Silence(*row) for row in found}


def end(tx: Transaction, silences: Collection[Silence]) -> int:
    """End those of these connections that still wait as they did, and return how many; what they were at rolls back."""
    found = tx.execute(
        text(
            "SELECT count(pg_terminate_backend(activity.pid)) FROM pg_stat_activity AS activity "
            "JOIN unnest(CAST(:pid AS INTEGER[]), CAST(:began AS TIMESTAMPTZ[])) AS silent(pid, began) "
            f"ON silent.pid = activity.pid AND silent.began = query_start WHERE {_WAITS}"
        ),
        arrays([silence._asdict() for silence in silences], Silence._fields),
    )
    return int(found.scalar_one())
