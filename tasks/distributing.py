"""The messages that apply patients' money to what they owe: some of it at once, the rest at night."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

from payments.core.money import total
from payments.journeys import distributing
from payments.journeys.distributing import FIRST, Moved
from payments.store.session import Database, transaction
from tasks.app import app
from tasks.resources import resources

ACCOUNTS = 1_000


@app.task(name="billing.apply_at_once")
def apply_at_once(**_future: object) -> str:
    """Apply Payments on Account, and give back what payments or charges no longer have."""
    database, now = resources().database, datetime.now(UTC)
    done = Moved(FIRST, [])
    while done.last is not None:
        with transaction(database) as tx:
            done = distributing.distribute_marked(tx, now.date(), now, ACCOUNTS)
    return "done"


@app.task(name="billing.distribute_payments", soft_time_limit=3600, time_limit=3660)
def distribute_payments(**_future: object) -> str:
    """Distribute every account by all rules, a set at a time."""
    now = datetime.now(UTC)
    sets = list(distribute_all(resources().database, now.date(), now))
    return f"{sum(len(each.movements) for each in sets):,} movements, {total(each.applied for each in sets)} applied"


def distribute_all(database: Database, as_of: date, now: datetime, *, dry_run: bool = False) -> Iterator[Moved]:
    """Distribute every account, each set in a transaction of its own; a dry run rolls each of them back."""
    done = Moved(FIRST, [])
    while done.last is not None:
        with transaction(database) as tx:
            done = distributing.distribute_after(tx, done.last, as_of, now, ACCOUNTS)
            if dry_run:
                tx.rollback()
        yield done
