"""The task that balances the last full week of each clinic, and logs an error if an amount is unexplained."""

from collections.abc import Iterator
from datetime import UTC, datetime

import structlog

from payments.contract.money import ZERO, total
from payments.core.balancing import Balance
from payments.core.postponed_work import Selection, WorkKind
from payments.journeys import balancing
from payments.journeys.balancing import BalancedClinic
from payments.store.db.connection import Database, Transaction
from tasks import isolation, wire_names
from tasks.app import app
from tasks.enqueue import clear_enqueued, enqueue_once
from tasks.resources import get_resources
from tasks.time_slice import run_time_slice
from tasks.transactions import run_in_transaction

log = structlog.get_logger()

LINES_MAX = 200_000
"""Maximum number of lines that one transaction compares. A company with more lines gets a transaction of its own."""

_WORK_KIND = WorkKind.BALANCE_COMPANY
_BalancesByClinic = dict[BalancedClinic, Balance]


@app.task(name="billing.balance")
def balance(**_future: object) -> str:
    """Balance each clinic's last full week, Monday to Sunday, once per night.

    If companies remain after a time slice, enqueue this task again.
    """
    resources = get_resources()
    clear_enqueued(resources.broker, wire_names.BALANCE)
    result, has_more = balance_week(resources.database, datetime.now(UTC))
    if has_more:
        enqueue_once(resources.broker, wire_names.BALANCE)
    return result


def balance_week(database: Database, now: datetime, lines_max: int = LINES_MAX) -> tuple[str, bool]:
    """If the nightly run is due, balance the last full week, until the time slice ends.

    Returns a summary, and whether companies may remain. Logs an error for each clinic with an unexplained amount (rule
    D9). A company that fails is postponed and logged. Raises errors that are outages.
    """
    batches, has_more = run_time_slice(_balance_due(database, now, lines_max))
    balances = {clinic: each for batch in batches for clinic, each in batch.items()}
    return _summarize(balances) if balances else "not due", has_more


def _balance_due(database: Database, now: datetime, lines_max: int) -> Iterator[_BalancesByClinic]:
    """Balance postponed companies that are due, then all others in batches. Yield the balances of each batch."""
    yield from isolation.retry_postponed(database, _WORK_KIND, _balance_companies(now), now)
    while (batch := _balance_batch(database, now, lines_max)) is not None:
        yield batch


def _balance_batch(database: Database, now: datetime, lines_max: int) -> _BalancesByClinic | None:
    """Balance the next companies in one transaction. If it fails, retry the two halves of the batch separately.

    Returns the balances by clinic, or None if no run is due. Raises errors that are outages.
    """
    selection = Selection()

    def balance_next(tx: Transaction) -> _BalancesByClinic | None:
        balances = balancing.balance_next_due(tx, now, lines_max, selection)
        _log_unexplained(balances or {})
        return balances

    try:
        return run_in_transaction(database, balance_next)
    except Exception as error:
        if isolation.is_outage(error) or not selection.selected:
            raise
        log.warning("batch_split", kind=_WORK_KIND, items=len(selection.selected), error_class=type(error).__name__)
    results = isolation.run_halves(database, _WORK_KIND, _balance_companies(now), selection.selected, now)
    run_in_transaction(database, lambda tx: balancing.skip_companies(tx, now, selection.selected))
    return {clinic: each for found in results for clinic, each in (found or {}).items()}


def _balance_companies(now: datetime) -> isolation.Work[_BalancesByClinic]:
    """Return a function that balances the selected companies and logs unexplained amounts."""

    def balance_selected(tx: Transaction, selection: Selection) -> _BalancesByClinic:
        selection.selected = selection.only or ()
        balances = balancing.balance_companies(tx, now, selection.selected)
        _log_unexplained(balances)
        return balances

    return balance_selected


def _log_unexplained(balances: _BalancesByClinic) -> None:
    """Log an error for each clinic with an unexplained amount.

    Call it before the commit, because the balances are not computed again afterwards.
    """
    for clinic, each in balances.items():
        if each.unexplained_count:
            fields = {"company": clinic.company_id, "clinic": clinic.clinic_id, "amount": str(each.unexplained)}
            log.error("balance_unexplained", **fields, lines=each.unexplained_count)


def _summarize(balances: _BalancesByClinic) -> str:
    """Return the number of clinics, the unexplained amount and the number of unexplained lines, as text.

    The number of lines is needed because the amounts of several lines can add up to 0.00.
    """
    lines = sum(each.unexplained_count for each in balances.values())
    amount = total(each.unexplained for each in balances.values() if each.unexplained_count) if lines else ZERO
    in_lines = f" in {lines:,} line{'' if lines == 1 else 's'}" if lines else ""
    return f"balanced {len(balances):,} clinics, unexplained {amount}{in_lines}"
