"""The task that closes the months scheduled for this night (rule D7)."""

from datetime import UTC, datetime

import structlog

from payments.core.month import Month
from payments.core.postponed_work import WorkKind
from payments.journeys import closing
from payments.journeys.closing import ClosingError, Snapshot
from payments.store.db.connection import Database, transaction
from tasks import isolation, wire_names
from tasks.app import app
from tasks.enqueue import clear_enqueued
from tasks.resources import get_resources

log = structlog.get_logger()


@app.task(name="billing.close_months")
def close_months(**_future: object) -> str:
    """Close the months that are due, oldest first. If a month cannot be closed, continue with the next one."""
    resources, now = get_resources(), datetime.now(UTC)
    database = resources.database
    clear_enqueued(resources.broker, wire_names.CLOSE_MONTHS)
    with transaction(database) as tx:
        due = closing.due_months(tx, now)
    return "; ".join(_try_close(database, key, now) for key in due) or "nothing due"


def close_month(database: Database, company_id: str, month: Month, now: datetime, who: str | None) -> Snapshot:
    """Close a month now, in two transactions, and return its totals.

    `who` is the user who closes the month; None means the nightly schedule. Raises ClosingError if the month must not
    be closed.
    """
    with transaction(database) as tx:
        closing.begin_close(tx, company_id, month, now, who)
    # Imports that held the month have committed, so no entry of the month is later than its close.
    with transaction(database) as tx:
        return closing.finish_close(tx, company_id, month, datetime.now(UTC))


def _try_close(database: Database, key: tuple[str, Month], now: datetime) -> str:
    """Close a month. Return a text that names it and says whether it was closed. Raises errors that are outages.

    If imports keep the month locked, the next run tries again. After any other error the month is postponed.
    """
    company_id, month = key
    try:
        close_month(database, company_id, month, now, None)
    except ClosingError as error:
        log.warning("month_not_closed", company_id=company_id, month=str(month), reason=str(error))
        return str(error)
    except Exception as error:
        if isolation.is_outage(error):
            raise
        if isolation.is_locked(error):
            log.warning("close_postponed", company_id=company_id, month=str(month), error_class=type(error).__name__)
        else:
            item = closing.work_item(company_id, month)
            isolation.postpone(database, WorkKind.CLOSE_MONTH, item, error, now)
        return f"{company_id} {month}: not closed yet, {type(error).__name__}"
    return f"{company_id} {month}: closed"
