"""The task that accepts Billing Exceptions for companies whose adjustment policy is `auto`."""

from datetime import UTC, datetime

import structlog

from payments.core.finding import DecisionError
from payments.core.postponed_work import WorkItem, WorkKind
from payments.journeys import adjusting
from payments.store.db.connection import Database, transaction
from tasks import isolation, wire_names
from tasks.app import app
from tasks.enqueue import clear_enqueued, enqueue_once
from tasks.resources import get_resources
from tasks.time_slice import run_time_slice

log = structlog.get_logger()


@app.task(name="billing.apply_adjustments")
def accept_by_policy(**_future: object) -> str:
    """Accept the open exceptions of companies with the policy `auto`, each in a separate transaction.

    If exceptions remain after a time slice, enqueue this task again.
    """
    resources, now = get_resources(), datetime.now(UTC)
    clear_enqueued(resources.broker, wire_names.APPLY_ADJUSTMENTS)
    with transaction(resources.database) as tx:
        exceptions = adjusting.list_auto_acceptable(tx, now)
    results, has_more = run_time_slice(_accept(resources.database, each, now) for each in exceptions)
    if has_more:
        enqueue_once(resources.broker, wire_names.APPLY_ADJUSTMENTS)
    return f"accepted {sum(results):,} of {len(exceptions):,}"


def _accept(database: Database, exception: WorkItem, now: datetime) -> bool:
    """Accept one exception. Return whether it was accepted.

    An exception that has changed or is locked is not accepted; the next run tries again. After any other error the
    exception is postponed. Raises errors that are outages.
    """
    try:
        with transaction(database) as tx:
            adjusting.accept_by_policy(tx, exception, now)
    except DecisionError as error:
        log.info("exception_not_accepted", finding_id=exception.item_id, reason=str(error))
        return False
    except Exception as error:
        if isolation.is_outage(error):
            raise
        if isolation.is_locked(error):
            log.warning("acceptance_postponed", finding_id=exception.item_id, error_class=type(error).__name__)
        else:
            isolation.postpone(database, WorkKind.ACCEPT_EXCEPTION, exception, error, now)
        return False
    return True
