"""The task that balances the last full week of each clinic, and logs an error if an amount is unexplained."""

from collections.abc import Mapping
from datetime import UTC, datetime

import structlog

from payments.contract.money import ZERO, total
from payments.core.balancing import Balance
from payments.journeys import balancing
from payments.journeys.balancing import BalancedClinic
from payments.store.db.connection import Database, transaction
from tasks import wire_names
from tasks.app import app
from tasks.enqueue import clear_enqueued
from tasks.resources import get_resources

log = structlog.get_logger()


@app.task(name="billing.balance", soft_time_limit=3600, time_limit=3660)
def balance(**_future: object) -> str:
    """Balance each clinic's last full week, Monday to Sunday, once per night."""
    resources = get_resources()
    clear_enqueued(resources.broker, wire_names.BALANCE)
    return balance_week(resources.database, datetime.now(UTC))


def balance_week(database: Database, now: datetime) -> str:
    """Balance the last full week if it is due. Logs an error for each clinic with an unexplained amount (rule D9)."""
    with transaction(database) as tx:
        balances = balancing.balance_if_due(tx, now)
    if balances is None:
        return "not due"
    unexplained = {clinic: each for clinic, each in balances.items() if each.unexplained_count}
    for clinic, each in unexplained.items():
        fields = {"company": clinic.company_id, "clinic": clinic.clinic_id, "amount": str(each.unexplained)}
        log.error("balance_unexplained", **fields, lines=each.unexplained_count)
    return f"balanced {len(balances):,} clinics, unexplained {_summarize(unexplained)}"


def _summarize(unexplained: Mapping[BalancedClinic, Balance]) -> str:
    """Return the unexplained total and the number of lines. The number matters if amounts add up to zero."""
    lines = sum(each.unexplained_count for each in unexplained.values())
    amount = total(each.unexplained for each in unexplained.values()) if unexplained else ZERO
    return f"{amount} in {lines:,} line{'' if lines == 1 else 's'}" if lines else str(amount)
