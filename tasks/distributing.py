"""The messages that apply patients' money to what they owe: some of it at once, the rest at night."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime

from payments.contract.money import total
from payments.journeys import distributing
from payments.journeys.distributing import FIRST, DistributionResult, PatientKey
from payments.store.db.connection import Database, transaction
from tasks import enqueue
from tasks.app import app
from tasks.resources import resources

ACCOUNTS = 1_000
TURN_SECONDS = 30
"""How long one message is worked on; well below the time that a task is given."""


@app.task(name="billing.apply_at_once")
def apply_at_once(**_future: object) -> str:
    """Apply Payments on Account, and give back what payments or charges no longer have."""
    here, now, moved = resources(), datetime.now(UTC), 0
    enqueue.take(here.broker, apply_at_once)
    done = DistributionResult(FIRST, [])
    while done.last is not None:
        with transaction(here.database) as tx:
            done = distributing.distribute_queued(tx, None, now, ACCOUNTS)
        moved += len(done.movements)
    return f"{moved:,} movements"


@app.task(name="billing.distribute_payments")
def distribute_payments(**_future: object) -> str:
    """Distribute the companies whose night has come, by all rules; what does not fit goes on in another message."""
    sets = list(_for_a_turn(resources().database))
    if sets and sets[-1].last is not None:
        distribute_payments.delay()
    moved = sum(len(each.movements) for each in sets)
    return f"{moved:,} movements, {total(each.applied for each in sets)} applied"


def distribute_all(
    database: Database, as_of: date | None, now: datetime, *, after: PatientKey = FIRST, dry_run: bool = False
) -> Iterator[DistributionResult]:
    """Distribute the accounts after one, each set in a transaction of its own; a dry run rolls each of them back.

    As of a day, or of each company's own.
    """
    done = DistributionResult(after, [])
    while done.last is not None:
        with transaction(database) as tx:
            done = distributing.distribute_accounts(tx, done.last, as_of, now, ACCOUNTS)
            if dry_run:
                tx.rollback()
        yield done


def _for_a_turn(database: Database) -> Iterator[DistributionResult]:
    """Distribute set by set until no company is left whose night has come, or until the turn is over."""
    ends, is_over = time.monotonic() + TURN_SECONDS, False
    while not is_over:
        with transaction(database) as tx:
            done = distributing.distribute_next_due(tx, datetime.now(UTC), ACCOUNTS)
        is_over = done.last is None or time.monotonic() >= ends
        yield done
