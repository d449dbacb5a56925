"""Balance the EMR's payments against Billing's imports, to the cent and by line (rule D9)."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from payments.contract.money import Money
from payments.contract.payment_log import PaymentLogRow
from payments.core.balancing import Balance, BalancedLine, LineComparison, last_full_week, reconcile
from payments.store.db.connection import Transaction
from payments.store.db.external_sort import SortedRows
from payments.store.ledger import job_runs
from payments.store.ledger.job_runs import Job
from payments.store.reports import balancing, emr_log
from payments.store.reports.balancing import BalanceFilter

__all__ = ["Balance", "BalanceFilter", "BalancedLine"]


class BalancedClinic(NamedTuple):
    """Company and clinic of one balance. An id is None in the balance of events from which it cannot be read."""

    company_id: str | None
    clinic_id: str | None


def balance(tx: Transaction, balance_filter: BalanceFilter, log: Iterable[PaymentLogRow] | None = None) -> Balance:
    """Balance a period and its clinics. The EMR's side is the feed or, if given, the EMR's own Payment Log.

    The result lists the lines on which the two sides differ, unexplained ones first, in constant memory. Raises
    AmbiguousIdError if the log names a clinic that several companies of the scope have.
    """
    if log is not None:
        emr_log.create_temporary_tables(tx, log, balance_filter.scope)
    balance = Balance(lines=SortedRows(_worst_first))
    for line in _reconcile_compared(balancing.compare(tx, balance_filter, with_log=log is not None)):
        balance.add(line)
    return balance


def _worst_first(line: BalancedLine) -> tuple[Money, bool, str]:
    return -abs(line.unexplained), not line.notes, line.payment or ""


def balance_clinics(tx: Transaction, balance_filter: BalanceFilter) -> dict[BalancedClinic, Balance]:
    """Return the balance of each clinic.

    The sums count all lines. `Balance.lines` stays empty to save memory.
    """
    balances: dict[BalancedClinic, Balance] = defaultdict(lambda: Balance(lines=deque(maxlen=0)))
    for line in _reconcile_compared(balancing.compare(tx, balance_filter, with_log=False)):
        balances[BalancedClinic(line.company, line.clinic)].add(line)
    return dict(balances)


def balance_if_due(tx: Transaction, now: datetime) -> dict[BalancedClinic, Balance] | None:
    """Balance the last full week clinic by clinic, once a night. Return None if tonight's run is done or in progress.

    Takes an advisory lock until the commit, and stores the day of the run.
    """
    day = job_runs.lock_due(tx, Job.BALANCE, now)
    if day is None:
        return None
    balances = balance_clinics(tx, BalanceFilter(*last_full_week(day)))
    job_runs.record(tx, Job.BALANCE, day, now)
    return balances


def _reconcile_compared(compared: Iterable[LineComparison | BalancedLine]) -> Iterator[BalancedLine]:
    return (reconcile(each) if isinstance(each, LineComparison) else each for each in compared)
