"""The message that accepts exceptions for the companies that want it without asking."""

from datetime import UTC, datetime

import structlog

from payments.journeys import adjusting
from payments.journeys.adjusting import AdjustmentError
from payments.store.db.connection import Database, is_transient, transaction
from tasks import enqueue
from tasks.app import app
from tasks.resources import resources

log = structlog.get_logger()
POLICY = "company policy: auto"


@app.task(name="billing.apply_adjustments")
def apply_adjustments(**_future: object) -> str:
    """Accept, one by one, what the companies' policies accept."""
    here, now = resources(), datetime.now(UTC)
    enqueue.take(here.broker, apply_adjustments)
    with transaction(here.database) as tx:
        waiting = adjusting.list_auto_acceptable(tx)
    accepted = sum(_accept(here.database, finding_id, now) for finding_id in waiting)
    return f"accepted {accepted:,} of {len(waiting):,}"


def _accept(database: Database, finding_id: int, now: datetime) -> bool:
    """Accept one exception; one that has changed meanwhile, or that is held, is left for the next time."""
    try:
        with transaction(database) as tx:
            adjusting.accept(tx, finding_id, None, now, POLICY)
    except AdjustmentError as error:
        log.info("not accepted", finding_id=finding_id, why=str(error))
        return False
    except Exception as error:
        if not is_transient(error):
            raise
        log.warning("not accepted yet", finding_id=finding_id, error_class=type(error).__name__)
        return False
    return True
