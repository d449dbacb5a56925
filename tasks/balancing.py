"""The task that balances the last full week of each clinic, and logs an error if an amount is unexplained."""

from collections.abc import Mapping
from datetime import UTC, datetime

import structlog

from payments.contract.money import ZERO, total
from payments.core.balancing import Balance
from payments.core.postponed_work import Selection, WorkItem, WorkKind
from payments.journeys import balancing
from payments.journeys.balancing import BalancedClinic
from payments.store.db.connection import Database, Transaction, transaction
from tasks import isolation, wire_names
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
    """Balance the last full week if it is due. Logs an error for each clinic with an unexplained amount (rule D9).

    A company that fails is postponed, and named in the log. Raises the error of an outage.
    """
    kind = WorkKind.BALANCE_COMPANY

    def balance_company(tx: Transaction, selection: Selection) -> dict[BalancedClinic, Balance]:
        (company,) = selection.only or ()
        return balancing.balance_company(tx, company.company_id, now)

    for balances in isolation.retry_postponed(database, kind, balance_company, now):
        _log_unexplained(balances)
    with transaction(database) as tx:
        nightly = balancing.balance_if_due(tx, now, isolation.is_outage)
    if nightly is None:
        return "not due"
    if nightly.error:
        log.error("events_without_company_not_balanced", exc_info=nightly.error)
    for company_id, error in nightly.errors.items():
        isolation.postpone(database, kind, WorkItem(company_id), error, now)
    unexplained = _log_unexplained(nightly.balances)
    failed = f", failed for {', '.join(nightly.errors)}" if nightly.errors else ""
    return f"balanced {len(nightly.balances):,} clinics, unexplained {_summarize(unexplained)}{failed}"


def _log_unexplained(balances: Mapping[BalancedClinic, Balance]) -> dict[BalancedClinic, Balance]:
    """Log an error for each clinic with an unexplained amount, and return these clinics."""
    unexplained = {clinic: each for clinic, each in balances.items() if each.unexplained_count}
    for clinic, each in unexplained.items():
        fields = {"company": clinic.company_id, "clinic": clinic.clinic_id, "amount": str(each.unexplained)}
        log.error("balance_unexplained", **fields, lines=each.unexplained_count)
    return unexplained


def _summarize(unexplained: Mapping[BalancedClinic, Balance]) -> str:
    """Return the unexplained total and the number of lines. The number matters if amounts add up to zero."""
    lines = sum(each.unexplained_count for each in unexplained.values())
    amount = total(each.unexplained for each in unexplained.values()) if unexplained else ZERO
    return f"{amount} in {lines:,} line{'' if lines == 1 else 's'}" if lines else str(amount)
