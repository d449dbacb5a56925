"""Balance the EMR's payments against Billing's imports, to the cent and by line (rule D9)."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import NamedTuple

from payments.contract.money import Money, total
from payments.contract.payment_log import EmrLogRow
from payments.core.balancing import Balance, BalancedLine, LineComparison, LineGroup, last_full_week, reconcile
from payments.core.nightly_job import NightlyJob, Progress
from payments.core.postponed_work import Selection, WorkItem
from payments.core.scope import Scope
from payments.store.db.connection import Transaction, savepoint
from payments.store.db.external_sort import SortedRows
from payments.store.ledger import clinics, job_runs, nightly_results
from payments.store.ledger.job_runs import InstallationJob
from payments.store.ledger.nightly_results import JobNight
from payments.store.reports import balance_batches, balancing, emr_log, manual_sums
from payments.store.reports.balancing import BalanceFilter

__all__ = ["Balance", "BalanceFilter", "BalancedLine", "LineGroup"]


class BalancedClinic(NamedTuple):
    """The company and the clinic of one balance. An id is None for events in which it is unreadable."""

    company_id: str | None
    clinic_id: str | None


def balance(tx: Transaction, balance_filter: BalanceFilter, log: Iterable[EmrLogRow] | None = None) -> Balance:
    """Balance the payments that a filter selects. The EMR's side is `log` if it is given, otherwise the feed.

    The result lists the lines on which the EMR and Billing differ, unexplained lines first. Memory use is constant.

    Raises AmbiguousIdError if the log names a clinic that several companies of the scope have.
    """
    if log is not None:
        emr_log.load_into_temporary_tables(tx, log, balance_filter.scope)
    balance = Balance(lines=SortedRows(_largest_first), manual_entries=manual_sums.total_of(tx, balance_filter))
    for line in _reconcile_by_clinic(balancing.compare(tx, balance_filter, with_log=log is not None)):
        balance.add(line)
    return balance


def differing_lines(
    tx: Transaction, balance_filter: BalanceFilter, log: Iterable[EmrLogRow] | None = None
) -> Iterator[BalancedLine]:
    """Yield the lines that `balance` lists, sorted by company, clinic, payment and line.

    Payments without a line in Billing come last. Raises AmbiguousIdError as `balance` does.

    If there is no log, and the filter has neither a period nor `as_of`, several statements read the ledger while the
    lines are yielded. The transaction must then be a snapshot and stay open until the last line. In all other cases all
    lines are compared before the first one is yielded.
    """
    if log is not None:
        emr_log.load_into_temporary_tables(tx, log, balance_filter.scope)
    for line in _reconcile_by_clinic(balancing.stream(tx, balance_filter, with_log=log is not None)):
        if not line.is_equal:
            yield line


def lines_of_group(
    tx: Transaction, balance_filter: BalanceFilter, group: LineGroup, log: Iterable[EmrLogRow] | None = None
) -> Iterator[BalancedLine]:
    """Yield the lines of a group of the balance, sorted by their keys.

    The group EMR also has the lines on which the EMR and Billing agree. The other arguments, and the errors, are those
    of `differing_lines`.
    """
    if group is not LineGroup.EMR:
        yield from (line for line in differing_lines(tx, balance_filter, log) if group in line.groups)
        return
    if log is not None:
        emr_log.load_into_temporary_tables(tx, log, balance_filter.scope)
    compared = balancing.read_every_line(tx, balance_filter, with_log=log is not None)
    yield from (line for line in map(reconcile, compared) if group in line.groups)


def _largest_first(line: BalancedLine) -> tuple[Money, bool, str]:
    return -abs(line.unexplained), not line.notes, line.payment or ""


def balance_clinics(tx: Transaction, balance_filter: BalanceFilter) -> dict[BalancedClinic, Balance]:
    """Return the balance of each clinic. To save memory, `Balance.lines` stays empty. The sums include all lines."""
    balances: dict[BalancedClinic, Balance] = defaultdict(lambda: Balance(lines=deque(maxlen=0)))
    for line in _reconcile_by_clinic(balancing.compare(tx, balance_filter, with_log=False)):
        balances[BalancedClinic(line.company, line.clinic)].add(line)
    return dict(balances)


def balance_last_week(
    tx: Transaction, day: date, is_outage: Callable[[Exception], bool]
) -> dict[BalancedClinic, Balance]:
    """Return the balance of each clinic for the last full week before a day.

    All companies are balanced together. If that fails, each company is balanced separately, and companies that fail are
    omitted. An error for which `is_outage` returns True is raised.
    """
    together = _try_balance(tx, BalanceFilter(*last_full_week(day)), is_outage)
    if together is not None:
        return together
    separately = (_try_balance(tx, _week_of(day, company_id), is_outage) for company_id in clinics.list_company_ids(tx))
    return {clinic: balance for found in separately for clinic, balance in (found or {}).items()}


def balance_next_due(
    tx: Transaction, now: datetime, lines_max: int, selection: Selection
) -> dict[BalancedClinic, Balance] | None:
    """Balance the last full week of the next companies in tonight's run. Return the balance of each clinic.

    Returns None if no run is due, if no company remains (the run is then complete), or if another transaction holds the
    advisory lock of the job. The companies together have at most `lines_max` lines. A company that has more lines is
    balanced alone. Postponed companies are omitted. Sets `selection.selected` to the companies. Stores the results and
    the progress of the run.

    A dead letter whose company is unreadable belongs to no company and is left out. Its amount would be explained, so
    no unexplained amount changes.
    """
    run = job_runs.lock_due(tx, InstallationJob.BALANCE, now)
    if run is None:
        return None
    selection.selected = balance_batches.next_companies(tx, run.last_company, *last_full_week(run.day), lines_max)
    if not selection.selected:
        job_runs.record_complete(tx, run, now)
        return None
    balances = balance_companies(tx, now, selection.selected)
    job_runs.record_progress(tx, run, selection.selected[-1].company_id)
    return balances


def balance_companies(tx: Transaction, now: datetime, companies: Sequence[WorkItem]) -> dict[BalancedClinic, Balance]:
    """Balance the last full week of these companies again, as tonight's run does. Return the balance of each clinic.

    Stores the result of each company.
    """
    day = job_runs.current_day(now)
    balances = balance_clinics(tx, _week_of(day, *(each.company_id for each in companies)))
    for company_id, _ in companies:
        of_company = [each for clinic, each in balances.items() if clinic.company_id == company_id]
        nightly_results.store(tx, JobNight(company_id, NightlyJob.BALANCING, day), now, _progress(of_company))
    return balances


def _progress(balances: Sequence[Balance]) -> Progress:
    unexplained = [each for each in balances if each.unexplained_count]
    lines = sum(each.unexplained_count for each in unexplained)
    return Progress(len(balances), lines, total(each.unexplained for each in unexplained))


def skip_companies(tx: Transaction, now: datetime, companies: Sequence[WorkItem]) -> None:
    """Let tonight's run continue after these companies, which failed. Locks the job as `balance_next_due` does."""
    if run := job_runs.lock_due(tx, InstallationJob.BALANCE, now):
        job_runs.record_progress(tx, run, companies[-1].company_id)


def _try_balance(
    tx: Transaction, balance_filter: BalanceFilter, is_outage: Callable[[Exception], bool]
) -> dict[BalancedClinic, Balance] | None:
    """Return the balance of each clinic, or None after an error. Raises an error for which `is_outage` returns True.

    After an error, the transaction is rolled back to a savepoint, so the transaction can still be used.
    """
    try:
        with savepoint(tx):
            return balance_clinics(tx, balance_filter)
    except Exception as error:
        if is_outage(error):
            raise
        return None


def _week_of(day: date, *company_ids: str) -> BalanceFilter:
    return BalanceFilter(*last_full_week(day), scope=Scope.of_companies(*company_ids))


def _reconcile_by_clinic(compared: Iterable[LineComparison | BalancedLine]) -> Iterator[BalancedLine]:
    return (reconcile(each) if isinstance(each, LineComparison) else each for each in compared)
