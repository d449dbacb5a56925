"""Balance the EMR's payments against Billing's imports, to the cent and by line (rule D9)."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from typing import NamedTuple

from payments.contract.money import Money
from payments.contract.payment_log import PaymentLogRow
from payments.core.balancing import Balance, BalancedLine, LineComparison, last_full_week, reconcile
from payments.core.postponed_work import WorkKind
from payments.core.scope import Scope
from payments.store.db.connection import Transaction, savepoint
from payments.store.db.external_sort import SortedRows
from payments.store.ledger import clinics, job_runs, postponed_work
from payments.store.ledger.job_runs import Job
from payments.store.reports import balancing, emr_log
from payments.store.reports.balancing import BalanceFilter

__all__ = ["Balance", "BalanceFilter", "BalancedLine"]


class BalancedClinic(NamedTuple):
    """Company and clinic of one balance. An id is None in the balance of events from which it cannot be read."""

    company_id: str | None
    clinic_id: str | None


class BalanceResult(NamedTuple):
    """The balance of each clinic, and by company the error of those that could not be balanced.

    `error` is the error of balancing all companies together. If there was one, events whose company cannot be read
    are not balanced.
    """

    balances: dict[BalancedClinic, Balance]
    errors: dict[str, Exception]
    error: Exception | None = None


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


def balance_last_week(tx: Transaction, day: date, is_outage: Callable[[Exception], bool]) -> BalanceResult:
    """Balance the last full week before a day, clinic by clinic.

    If that fails, each company is balanced separately, so that a company that fails stops no other. Raises an error for
    which `is_outage` is true.
    """
    together = _try_balance(tx, BalanceFilter(*last_full_week(day)), is_outage)
    if not isinstance(together, Exception):
        return BalanceResult(together, {})
    nightly = BalanceResult({}, {}, together)
    for company_id in clinics.list_company_ids(tx):
        found = _try_balance(tx, _week_of(company_id, day), is_outage)
        if isinstance(found, Exception):
            nightly.errors[company_id] = found
        else:
            nightly.balances.update(found)
    return nightly


def balance_if_due(tx: Transaction, now: datetime, is_outage: Callable[[Exception], bool]) -> BalanceResult | None:
    """Balance the last full week clinic by clinic, once a night. Return None if tonight's run is done or in progress.

    Takes an advisory lock until the commit, and stores the day of the run. Raises as `balance_last_week`.
    """
    day = job_runs.lock_due(tx, Job.BALANCE, now)
    if day is None:
        return None
    nightly = balance_last_week(tx, day, is_outage)
    for company in postponed_work.load(tx, WorkKind.BALANCE_COMPANY):
        if company.company_id not in nightly.errors:
            postponed_work.forget(tx, WorkKind.BALANCE_COMPANY, company)
    job_runs.record(tx, Job.BALANCE, day, now)
    return nightly


def balance_company(tx: Transaction, company_id: str, now: datetime) -> dict[BalancedClinic, Balance]:
    """Balance the last full week of a company's clinics: the week that tonight's run balances."""
    return balance_clinics(tx, _week_of(company_id, job_runs.current_day(now)))


def _try_balance(
    tx: Transaction, balance_filter: BalanceFilter, is_outage: Callable[[Exception], bool]
) -> dict[BalancedClinic, Balance] | Exception:
    """Return the balance of each clinic, or the error, after which the transaction can still be used."""
    try:
        with savepoint(tx):
            return balance_clinics(tx, balance_filter)
    except Exception as error:
        if is_outage(error):
            raise
        return error


def _week_of(company_id: str, day: date) -> BalanceFilter:
    return BalanceFilter(*last_full_week(day), scope=Scope.of_companies(company_id))


def _reconcile_compared(compared: Iterable[LineComparison | BalancedLine]) -> Iterator[BalancedLine]:
    return (reconcile(each) if isinstance(each, LineComparison) else each for each in compared)
