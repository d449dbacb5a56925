"""The message that balances the last full week of every clinic, and raises an alarm where a cent is unexplained."""

from datetime import UTC, date, datetime

import structlog

from payments.contract.money import ZERO, total
from payments.core.balancing import Balance, last_full_week
from payments.journeys import balancing
from payments.journeys.balancing import BalanceFilter
from payments.store.db.connection import Database, transaction
from tasks.app import app
from tasks.resources import resources

log = structlog.get_logger()


@app.task(name="billing.balance", soft_time_limit=3600, time_limit=3660)
def balance(**_future: object) -> str:
    """Balance the last full week, Monday to Sunday, clinic by clinic."""
    return balance_week(resources().database, datetime.now(UTC).date())


def balance_week(database: Database, today: date) -> str:
    """Balance the week before the one of this day; each clinic with something unexplained is an error in the log."""
    with transaction(database) as tx:
        balances = balancing.balance_clinics(tx, BalanceFilter(*last_full_week(today)))
    strange = {clinic: each for clinic, each in balances.items() if each.unexplained_lines}
    for clinic, each in strange.items():
        log.error("unexplained", clinic=clinic, amount=str(each.unexplained), lines=len(each.unexplained_lines))
    return f"balanced {len(balances):,} clinics, unexplained {_sum_of(strange)}"


def _sum_of(strange: dict[str | None, Balance]) -> str:
    """Return the sum, and the number of lines: what is too much in one may make up for what is missing in another."""
    lines = sum(len(each.unexplained_lines) for each in strange.values())
    amount = total(each.unexplained for each in strange.values()) if strange else ZERO
    return f"{amount} in {lines:,} line{'' if lines == 1 else 's'}" if lines else str(amount)
