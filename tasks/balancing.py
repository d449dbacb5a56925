"""The task that balances the last full week of each clinic, and logs an error if an amount is unexplained."""

from datetime import UTC, date, datetime

import structlog

from payments.contract.money import ZERO, total
from payments.core.balancing import Balance, last_full_week
from payments.journeys import balancing
from payments.journeys.balancing import BalanceFilter
from payments.store.db.connection import Database, transaction
from tasks.app import app
from tasks.resources import get_resources

log = structlog.get_logger()


@app.task(name="billing.balance", soft_time_limit=3600, time_limit=3660)
def balance(**_future: object) -> str:
    """Balance the last full week, Monday to Sunday, clinic by clinic."""
    return balance_week(get_resources().database, datetime.now(UTC).date())


def balance_week(database: Database, today: date) -> str:
    """Balance the full week before `today`. Logs an error for each clinic with an unexplained amount (rule D9)."""
    with transaction(database) as tx:
        balances = balancing.balance_clinics(tx, BalanceFilter(*last_full_week(today)))
    unexplained = {clinic: each for clinic, each in balances.items() if each.unexplained_lines}
    for clinic, each in unexplained.items():
        log.error("balance_unexplained", clinic=clinic, amount=str(each.unexplained), lines=len(each.unexplained_lines))
    return f"balanced {len(balances):,} clinics, unexplained {_summarize(unexplained)}"


def _summarize(unexplained: dict[str | None, Balance]) -> str:
    """Return the total amount and the number of lines, because amounts of opposite sign may add up to zero."""
    lines = sum(len(each.unexplained_lines) for each in unexplained.values())
    amount = total(each.unexplained for each in unexplained.values()) if unexplained else ZERO
    return f"{amount} in {lines:,} line{'' if lines == 1 else 's'}" if lines else str(amount)
