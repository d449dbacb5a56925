"""The message that closes the months that are scheduled for this night."""

from datetime import UTC, datetime

import structlog

from payments.core.month import Month
from payments.journeys import closing
from payments.journeys.closing import ClosingError, Snapshot
from payments.store.db.connection import Database, is_transient, transaction
from payments.store.ledger.months import CompanyMonth
from tasks.app import app
from tasks.resources import resources

log = structlog.get_logger()


@app.task(name="billing.close_months")
def close_months(**_future: object) -> str:
    """Close what is due, oldest month first; one that cannot be closed keeps none of the others."""
    database, now = resources().database, datetime.now(UTC)
    with transaction(database) as tx:
        due = closing.due_months(tx, now)
    return "; ".join(_result(database, key, now) for key in due) or "nothing due"


def close(database: Database, company_id: str, month: Month, now: datetime, who: str | None) -> Snapshot:
    """Close a month now, in its two transactions. Raises ClosingError where that is not allowed."""
    with transaction(database) as tx:
        closing.begin_close(tx, company_id, month, now, who)
    # Imports that were under way have ended by now, and nothing in the month is from later than its close.
    with transaction(database) as tx:
        return closing.finish_close(tx, company_id, month, datetime.now(UTC))


def _result(database: Database, key: CompanyMonth, now: datetime) -> str:
    company_id, month = key
    try:
        snapshot = close(database, company_id, month, now, None)
    except ClosingError as error:
        return str(error)
    except Exception as error:
        if not is_transient(error):
            raise
        log.warning("not closed yet", company_id=company_id, month=str(month), error_class=type(error).__name__)
        return f"{company_id} {month}: not closed yet, {type(error).__name__}"
    return f"{company_id} {month}: closed with {snapshot.payments_total}"
