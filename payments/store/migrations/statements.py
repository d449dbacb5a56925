"""Run migration statements while the services keep running.

Each statement waits at most `_LOCK_SECONDS` for its locks, and is tried up to `_TRIES_MAX` times. CREATE INDEX
CONCURRENTLY waits without a limit.
"""

from collections.abc import Callable, Sequence

from sqlalchemy.exc import IntegrityError

from payments.store.db.connection import Database, autocommit, is_transient, transaction
from payments.store.db.statement import text
from payments.store.migrations import online
from payments.store.migrations.company_keys import KeyIndex

_LOCK_SECONDS = 2  # others wait behind a statement that waits for an exclusive lock
_TRIES_MAX = 30


def create_index(database: Database, index: KeyIndex) -> None:
    """Create an index. On a partitioned table, create it partition by partition.

    Raises DBAPIError if a lock is not free for a minute. CREATE INDEX CONCURRENTLY waits for its locks without a limit,
    because it does not block other sessions.
    """
    with autocommit(database) as connection:
        for statement in online.index_steps(connection, index):
            is_online = "CONCURRENTLY" in statement
            connection.execute(text(f"SET lock_timeout = '{0 if is_online else _LOCK_SECONDS}s'"))
            _retry(lambda statement=statement: connection.execute(text(statement)))  # type: ignore[misc]


def add_constraint(database: Database, statement: str) -> str | None:
    """Add or validate a constraint. Return None, or the database's message if earlier rows violate the constraint.

    If they do, the constraint applies to new rows only. Raises DBAPIError as `run_together` does.
    """
    try:
        run_together(database, [statement])
    except IntegrityError as error:
        return str(error.orig)
    return None


def run_together(database: Database, statements: Sequence[str]) -> None:
    """Run statements in one transaction. Raises DBAPIError if a lock is not free for a minute."""
    _retry(lambda: _run(database, statements))


def _run(database: Database, statements: Sequence[str]) -> None:
    with transaction(database) as tx:
        tx.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'"))
        for statement in statements:
            tx.execute(text(statement))


def _retry(work: Callable[[], object]) -> None:
    for tries_left in reversed(range(_TRIES_MAX)):
        try:
            work()
        except Exception as error:
            if not (tries_left and is_transient(error)):
                raise
        else:
            return
