"""Run work in a transaction, and repeat it after a conflict with a concurrent transaction."""

from collections.abc import Callable
from typing import TypeVar

import structlog

from payments.store.db.connection import Database, Transaction, is_conflict, transaction

log = structlog.get_logger()

ATTEMPTS_MAX = 5
_T = TypeVar("_T")


def run_in_transaction(database: Database, work: Callable[[Transaction], _T]) -> _T:
    """Run `work` in a transaction and return its result.

    After a deadlock, a serialization failure or a ConcurrentWriteError, `work` is repeated immediately, up to
    ATTEMPTS_MAX attempts in total. No pause is needed, because the conflicting transaction has committed or holds all
    of its locks. Raises the error of the last attempt, and any other error immediately.
    """
    for _ in range(ATTEMPTS_MAX - 1):
        try:
            with transaction(database) as tx:
                return work(tx)
        except Exception as error:
            if not is_conflict(error):
                raise
            log.info("transaction_repeated", error_class=type(error).__name__)
    with transaction(database) as tx:
        return work(tx)
