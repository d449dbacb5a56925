"""Find out which recurring tasks have something to do, so that none has to run in order to find nothing."""

from datetime import datetime
from typing import NamedTuple

from payments.store.db.connection import Transaction
from payments.store.feed import backlog, requeue_runs


class DueWork(NamedTuple):
    """Whether payments are due for a retry, accounts are queued for distribution, and requeue runs are unfinished."""

    has_retries: bool
    has_accounts: bool
    has_requeue_runs: bool


def find_due_work(tx: Transaction, now: datetime) -> DueWork:
    """Return what is due as of `now`, without postponed work. Reads indexes only."""
    return DueWork(
        has_retries=backlog.has_due_items(tx, now),
        has_accounts=backlog.has_queued_accounts(tx),
        has_requeue_runs=requeue_runs.is_active(tx),
    )
