"""The tasks that distribute payments.

One task distributes Payments on Account and refunds immediately. The other task distributes the rest at night.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

from payments.contract.money import total
from payments.core.postponed_work import Selection, WorkItem, WorkKind
from payments.journeys import distributing
from payments.journeys.distributing import BEFORE_FIRST_ACCOUNT, DistributionResult
from payments.store.db.connection import Database, Transaction, transaction
from tasks import isolation, wire_names
from tasks.app import app
from tasks.enqueue import clear_enqueued, enqueue_once
from tasks.resources import get_resources
from tasks.time_slice import run_time_slice
from tasks.transactions import run_in_transaction

BATCH_ACCOUNTS = 1_000


@app.task(name="billing.apply_at_once")
def apply_immediately(**_future: object) -> str:
    """Distribute the queued accounts: apply Payments on Account, and unapply the excess after an amount was lowered.

    An account that fails is postponed, and stays in the queue. If accounts remain after a time slice, enqueue this task
    again.
    """
    resources = get_resources()
    clear_enqueued(resources.broker, wire_names.APPLY_IMMEDIATELY)
    batches, has_more = run_time_slice(_distribute_queued(resources.database, datetime.now(UTC)))
    if has_more:
        enqueue_once(resources.broker, wire_names.APPLY_IMMEDIATELY)
    moved = sum(len(each.allocations) for each in batches)
    return f"{moved:,} allocations"


@app.task(name="billing.distribute_payments")
def distribute_payments(**_future: object) -> str:
    """Distribute the companies whose nightly run is due. If work remains after a time slice, enqueue this task again.

    An account or a company that fails is postponed.
    """
    resources = get_resources()
    clear_enqueued(resources.broker, wire_names.DISTRIBUTE_PAYMENTS)
    batches, has_more = run_time_slice(_distribute_due(resources.database))
    if has_more:
        enqueue_once(resources.broker, wire_names.DISTRIBUTE_PAYMENTS)
    moved = sum(len(each.allocations) for each in batches)
    return f"{moved:,} allocations, {total(each.net_applied for each in batches)} applied"


def distribute_all(
    database: Database, as_of: date | None, now: datetime, *, company: str | None = None, dry_run: bool = False
) -> Iterator[DistributionResult]:
    """Distribute all accounts, or all accounts of a company. Yield the result of each batch.

    Each batch is a transaction, which a dry run rolls back. `as_of` is the day of the run, None for each company's
    current day.
    """
    first = BEFORE_FIRST_ACCOUNT if company is None else (company, "")
    distribute = distributing.distribute_accounts if company is None else distributing.distribute_accounts_of_company
    batch = DistributionResult(first, [])
    while batch.last is not None:
        with transaction(database) as tx:
            batch = distribute(tx, batch.last, as_of, now, BATCH_ACCOUNTS)
            if dry_run:
                tx.rollback()
        yield batch


def _distribute_queued(database: Database, now: datetime) -> Iterator[DistributionResult]:
    """Distribute the postponed accounts that are due, then the other queued accounts in batches.

    Yield each batch's result.
    """
    kind = WorkKind.APPLY_IMMEDIATELY

    def apply(tx: Transaction, selection: Selection) -> DistributionResult:
        return distributing.distribute_queued(tx, None, now, BATCH_ACCOUNTS, selection)

    yield from isolation.retry_postponed(database, kind, apply, now)
    is_done = False
    while not is_done:
        results = isolation.run_or_bisect(database, kind, apply, Selection(), now)
        yield from filter(None, results)
        is_done = all(each is not None and each.last is None for each in results)


def _distribute_due(database: Database) -> Iterator[DistributionResult]:
    """Distribute the postponed accounts that are due, then the companies whose nightly run is due, in batches.

    Yields the results of the batches.
    """
    yield from isolation.retry_postponed(database, WorkKind.DISTRIBUTE_ACCOUNT, _distribute_selected, datetime.now(UTC))
    is_done = False
    while not is_done:
        batch = _distribute_batch(database, datetime.now(UTC))
        is_done = batch[-1].last is None
        yield from batch


def _distribute_batch(database: Database, now: datetime) -> list[DistributionResult]:
    """Distribute the next accounts of a company whose nightly run is due. Postpone accounts that fail.

    If no run is due, the only result has `last` None. Raises errors that are outages.
    """
    selection = Selection()
    try:
        return [
            run_in_transaction(
                database, lambda tx: distributing.distribute_next_due(tx, now, BATCH_ACCOUNTS, selection)
            )
        ]
    except Exception as error:
        if isolation.is_outage(error) or not selection.selected:
            raise
        return _isolate_failing_accounts(database, selection.selected, error, now)


def _isolate_failing_accounts(
    database: Database, taken: Sequence[WorkItem], error: Exception, now: datetime
) -> list[DistributionResult]:
    """Distribute the accounts of a failed batch in halves, and postpone each account that fails alone.

    The next batch starts with the same accounts, without the postponed ones. If no account fails alone, the run of the
    company is postponed.
    """
    company = WorkItem(taken[0].company_id)
    accounts = [each for each in taken if each != company]
    results = isolation.run_halves(database, WorkKind.DISTRIBUTE_ACCOUNT, _distribute_selected, accounts, now)
    if None not in results:
        isolation.postpone(database, WorkKind.DISTRIBUTE_COMPANY, company, error, now)
    return [*filter(None, results), DistributionResult(company, [])]


def _distribute_selected(tx: Transaction, selection: Selection) -> DistributionResult:
    return distributing.distribute_selected(tx, datetime.now(UTC), selection)
