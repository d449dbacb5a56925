"""Change or analyze several tables, each in its own transaction."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

import structlog

from payments.journeys import analyzing
from payments.journeys.retention import PARTITIONED_TABLES
from payments.store.db.connection import Database, Transaction, transaction
from tasks.isolation import is_locked, is_outage

log = structlog.get_logger()
_T = TypeVar("_T")


class ChangeResult(NamedTuple):
    """The number of partitions that were created or dropped, and the tables that were skipped because of locks."""

    partitions: int
    blocked: Sequence[str]


def change_tables(database: Database, change: Callable[[Transaction, str], int], passes: int = 1) -> ChangeResult:
    """Apply a change to each partitioned table. A locked table is tried up to `passes` times.

    If a table fails, its error is logged and the next table is changed; the first error is raised at the end. An error
    that is an outage is raised immediately.
    """
    partitions, blocked = 0, list(PARTITIONED_TABLES)
    errors: list[Exception] = []
    for _ in range(passes):
        results = {table: _try_change(database, change, table) for table in blocked}
        errors += [each for each in results.values() if isinstance(each, Exception)]
        partitions += sum(each for each in results.values() if isinstance(each, int))
        blocked = [table for table, each in results.items() if each is None]
    _raise_first(errors)
    return ChangeResult(partitions, blocked)


def analyze_stale_tables(database: Database) -> list[str]:
    """Analyze each table whose planner statistics miss most of its rows. Return the names of these tables.

    Errors are handled as in `change_tables`, except that a locked table counts as an error.
    """
    with transaction(database) as tx:
        tables = analyzing.stale_tables(tx)
    results = [_run_for_table(database, analyzing.analyze, table) for table in tables]
    _raise_first(each for each in results if isinstance(each, Exception))
    return tables


def _try_change(database: Database, change: Callable[[Transaction, str], int], table: str) -> int | Exception | None:
    """Apply the change to a table. Return its result, or None if another transaction keeps the table locked."""
    result = _run_for_table(database, change, table)
    return None if isinstance(result, Exception) and is_locked(result) else result


def _run_for_table(database: Database, work: Callable[[Transaction, str], _T], table: str) -> _T | Exception:
    """Run `work` for a table. Return its result, or the error. Raises errors that are outages.

    An error is logged, unless it means that the table is locked.
    """
    try:
        with transaction(database) as tx:
            return work(tx, table)
    except Exception as error:
        if is_outage(error):
            raise
        if not is_locked(error):
            log.exception("table_failed", table=table)
        return error


def _raise_first(errors: Iterable[Exception]) -> None:
    for error in errors:
        raise error
