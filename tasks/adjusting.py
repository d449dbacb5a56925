"""The task that accepts Billing Exceptions for companies whose adjustment policy is `auto`."""

from datetime import UTC, datetime

import structlog

from payments.journeys import adjusting
from payments.journeys.adjusting import AdjustmentError
from payments.store.db.connection import Database, is_transient, transaction
from tasks import wire_names
from tasks.app import app
from tasks.enqueue import clear_enqueued
from tasks.resources import get_resources

log = structlog.get_logger()
POLICY = "company policy: auto"


@app.task(name="billing.apply_adjustments")
def accept_by_policy(**_future: object) -> str:
    """Accept each open exception of a company with the policy `auto`, each in a separate transaction."""
    resources, now = get_resources(), datetime.now(UTC)
    clear_enqueued(resources.broker, wire_names.APPLY_ADJUSTMENTS)
    with transaction(resources.database) as tx:
        finding_ids = adjusting.list_auto_acceptable(tx)
    accepted = sum(_accept(resources.database, finding_id, now) for finding_id in finding_ids)
    return f"accepted {accepted:,} of {len(finding_ids):,}"


def _accept(database: Database, finding_id: int, now: datetime) -> bool:
    """Accept one exception. Return False if the exception has changed or is locked; the next run tries again."""
    try:
        with transaction(database) as tx:
            adjusting.accept(tx, finding_id, None, now, POLICY)
    except AdjustmentError as error:
        log.info("exception_not_accepted", finding_id=finding_id, reason=str(error))
        return False
    except Exception as error:
        if not is_transient(error):
            raise
        log.warning("acceptance_postponed", finding_id=finding_id, error_class=type(error).__name__)
        return False
    return True
