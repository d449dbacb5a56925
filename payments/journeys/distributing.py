"""Apply patients' money to their charges (rule D8). If a payment or a charge was lowered, unapply the excess."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import NamedTuple

from payments.contract.money import Money, total
from payments.core.account import Allocation
from payments.core.credit import SourceId
from payments.core.distribution import distribute
from payments.core.nightly_job import NightlyJob, Progress
from payments.core.postponed_work import Selection, WorkItem, WorkKind
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.connection import Transaction
from payments.store.ledger import (
    charges,
    distribution,
    distribution_queue,
    distribution_runs,
    lines,
    nightly_results,
    postponed_work,
)
from payments.store.ledger.nightly_results import JobNight
from payments.store.ledger.patients import PatientKey
from payments.store.reports import account
from payments.store.reports.account import AccountRow, AllocationRow, RefundRow

__all__ = ["AccountRow", "AllocationRow", "DistributionResult", "PatientKey", "RefundRow"]

BEFORE_FIRST_ACCOUNT: PatientKey = ("", "")
"""The value of `last` with which the distribution starts at the first account."""


class DistributionResult(NamedTuple):
    """The allocations of a batch of accounts. `last` is the last account of the batch, None if the batch is empty."""

    last: PatientKey | None
    allocations: list[tuple[PatientKey, Allocation]]

    @property
    def net_applied(self) -> Money:
        """The amount applied less the amount unapplied, in dollars."""
        return total(allocation.amount for _, allocation in self.allocations)


def distribute_accounts(
    tx: Transaction, last: PatientKey, as_of: date | None, now: datetime, limit: int
) -> DistributionResult:
    """Distribute up to `limit` accounts after the account `last`, by all rules.

    `as_of` is the day of the run, None for each company's current day. Takes the advisory lock of distributions until
    the commit.
    """
    distribution.lock(tx)
    keys = distribution.accounts_after(tx, last, limit)
    return _distribute(tx, keys, as_of, now, immediate_only=False)


def distribute_accounts_of_company(
    tx: Transaction, last: PatientKey, as_of: date | None, now: datetime, limit: int
) -> DistributionResult:
    """Distribute up to `limit` accounts that follow the account `last` in its company, as `distribute_accounts` does.

    To start with the company's first account, pass `(company_id, "")` as `last`.
    """
    distribution.lock(tx)
    keys = distribution.accounts_after(tx, last, limit, of_company=True)
    return _distribute(tx, keys, as_of, now, immediate_only=False)


def distribute_next_due(
    tx: Transaction, now: datetime, limit: int, selection: Selection | None = None
) -> DistributionResult:
    """Distribute up to `limit` accounts of one company whose nightly run is due. If no run is due, the result is empty.

    Postponed accounts are omitted. Sets `selection.selected` to the accounts, or to the company if no account remains.
    Takes the advisory lock of distributions until the commit, and stores the progress of the run.
    """
    selection = selection or Selection()
    run = distribution_runs.lock_due(tx, now, selection)
    selection.selected = ()
    if run is None:
        return DistributionResult(None, [])
    distribution.lock(tx)  # If it times out, neither an account nor the company is the cause.
    company = WorkItem(run.company_id)
    selection.selected = [company]
    keys = distribution.accounts_after(tx, (run.company_id, run.last_patient), limit, of_company=True, nightly=True)
    selection.selected = keys or [company]
    moved = _distribute(tx, keys, None, now, immediate_only=False)
    has_more = len(keys) == limit
    distribution_runs.record_progress(tx, run, keys[-1].item_id if has_more else None)
    night = JobNight(run.company_id, NightlyJob.DISTRIBUTION, run.day)
    nightly_results.add(tx, night, now, Progress(len(keys), len(moved.allocations), moved.net_applied))
    if not has_more:
        nightly_results.finish(tx, night, now)
    postponed_work.clear(tx, WorkKind.DISTRIBUTE_COMPANY, company)
    return moved._replace(last=company)


def distribute_selected(tx: Transaction, now: datetime, selection: Selection) -> DistributionResult:
    """Distribute the accounts in `selection.only` by all rules, as of each company's current day.

    Takes the advisory lock of distributions until the commit.
    """
    distribution.lock(tx)
    selection.selected = selection.only or ()
    return _distribute(tx, selection.selected, None, now, immediate_only=False)


def distribute_queued(
    tx: Transaction, as_of: date | None, now: datetime, limit: int, selection: Selection | None = None
) -> DistributionResult:
    """Distribute up to `limit` queued accounts, but only by the steps of rule D8 that do not wait for the nightly run.

    Only queued accounts in `selection.only` are distributed; None means all. `selection.selected` is set to the
    accounts that this call distributes. Takes the advisory lock of distributions until the commit.
    """
    selection = selection or Selection()
    distribution.lock(tx)
    selection.selected = distribution_queue.dequeue(tx, limit, selection.only)
    return _distribute(tx, selection.selected, as_of, now, immediate_only=True)


def payment_keys_by_line_id(tx: Transaction, moved: Sequence[DistributionResult], scope: Scope) -> dict[SourceId, str]:
    """Return the printed keys of the payments with allocations in `moved`, by the row id of their line.

    The keys are printed as users with this scope see them. Manual entries that belong to no payment are omitted.
    """
    sources = (allocation.source for each in moved for _, allocation in each.allocations)
    found = lines.printed_keys(tx, (each for each in sources if isinstance(each, int)), scope)
    return dict(found.items())


def show_account(
    tx: Transaction, patient_id: str, scope: Scope = EVERYTHING, as_of: datetime | None = None
) -> list[AccountRow]:
    """Return the sums of a patient's accounts, one row per company. Only payments in the scope count."""
    return account.summaries(tx, patient_id, scope, as_of)


def show_allocations(
    tx: Transaction, row: AccountRow, scope: Scope = EVERYTHING, as_of: datetime | None = None
) -> Iterator[AllocationRow]:
    """Yield the allocations of an account, oldest first, for the payments in a scope."""
    return account.allocations(tx, row, scope, as_of)


def show_refunds_to_check(
    tx: Transaction, row: AccountRow, scope: Scope = EVERYTHING, as_of: datetime | None = None
) -> list[RefundRow]:
    """Return the refunds of an account that a biller should check, of the payments in a scope.

    The payment of such a refund is not on the account, or is smaller than the amount refunded.
    """
    return account.refunds_to_check(tx, row, scope, as_of)


def _distribute(
    tx: Transaction, keys: Sequence[PatientKey], as_of: date | None, now: datetime, *, immediate_only: bool
) -> DistributionResult:
    if not keys:
        return DistributionResult(None, [])
    loaded = distribution.load_accounts(tx, keys, as_of, now, immediate_only=immediate_only)
    moved = [(key, allocation) for key, account in loaded.items() for allocation in distribute(account)]
    distribution.add_allocations(tx, moved, loaded, now)
    charges.record_paid(tx, {key: paid for each in loaded.values() for key, paid in each.determined_paid.items()}, now)
    return DistributionResult(keys[-1], moved)
