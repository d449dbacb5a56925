"""Find out which recurring tasks have work to do. The other tasks need not run."""

from datetime import datetime
from typing import NamedTuple

from payments.store.db.connection import Transaction
from payments.store.feed import backlog, requeue_runs


class DueWork(NamedTuple):
    """The kinds of work that are due: retries of payments, queued distributions, and unfinished requeue runs."""

    has_retries: bool
    has_accounts: bool
    has_requeue_runs: bool


def find_due_work(tx: Transaction, now: datetime) -> DueWork:
    """Return the work that is due as of `now`. Postponed work does not count. Reads indexes only."""
    return DueWork(
        has_retries=backlog.has_due_items(tx, now),
        has_accounts=backlog.has_queued_accounts(tx),
        has_requeue_runs=requeue_runs.has_unfinished_run(tx),
    )
