"""Make deposits of ledger entries at the bank, reverse them, and list the entries that are on none (rule D11).

Locks: the deposits of the clinic, by an advisory lock until the commit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from payments.contract.keys import ClinicKey
from payments.contract.money import total
from payments.core.deposit import (
    REASON_CHARACTERS_MAX,
    DepositDraft,
    DepositError,
    check_day,
    check_draft,
    check_entries,
)
from payments.core.request_key import derived_request_key
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.connection import Transaction
from payments.store.ledger import clinics, company_moves, deposit_entries, deposits
from payments.store.ledger.deposit_entries import DepositEntry, UndepositedFilter
from payments.store.ledger.deposits import DepositFilter, NewDeposit, StoredDeposit

__all__ = ["DepositDraft", "DepositEntry", "DepositError", "DepositFilter", "StoredDeposit", "UndepositedFilter"]

DEPOSITS_MAX = 500
"""The largest number of deposits that a list returns."""
BANK_ACCOUNTS_MAX = 50
FIRST_DAYS = timedelta(days=7)
"""The number of days whose entries the form of a new deposit offers, unless the user chooses other days."""


@dataclass(frozen=True, slots=True)
class DepositSlip:
    """A deposit with its entries. `was_made_before`: an earlier request made or reversed it; nothing was changed."""

    deposit: StoredDeposit
    entries: Sequence[DepositEntry]
    was_made_before: bool = False


class DepositReversal(NamedTuple):
    """A request to reverse the deposit `deposit_id`, with the reason. The day of the reversal defaults to today."""

    deposit_id: int
    reason: str
    day: date | None = None


def make(tx: Transaction, draft: DepositDraft, now: datetime, who: str, scope: Scope = EVERYTHING) -> DepositSlip:
    """Make a deposit of entries that are on none. A repeated request with the same key makes no second deposit.

    Raises DepositError if a rule refuses the request, if an entry is on a deposit or belongs to another clinic or
    method, if the scope does not have exactly one such clinic, or if the key was used for another deposit.
    """
    check_draft(draft)
    clinic = _clinic(tx, draft, scope)
    deposits.lock_clinic(tx, clinic)
    if before := deposits.find_requested(tx, clinic.company_id, draft.key):
        if bytes(before.request_hash) != draft.request_hash() or not scope.may_see(*before.clinic):
            raise DepositError("this request key was used for another deposit; use a new key")
        return DepositSlip(before, deposit_entries.of_deposit(tx, before, scope), was_made_before=True)
    today = clinics.local_date(tx, clinic.company_id, now)
    day = draft.day or today
    check_day(day, today)
    found = deposit_entries.depositable_amounts(tx, clinic, draft.method, draft.entries)
    amount = total(found.values())
    check_entries(draft.entries, list(found), amount)
    account = draft.bank_account.strip()
    new = NewDeposit(clinic, draft.method, account, day, draft.key, draft.request_hash(), now, who)
    return show(tx, deposits.add(tx, new, draft.entries, amount), scope)


def reverse(
    tx: Transaction, reversal: DepositReversal, now: datetime, who: str, scope: Scope = EVERYTHING
) -> DepositSlip:
    """Reverse a deposit: its entries are on no deposit again. Return the reversal. A second call changes nothing.

    Raises DepositError if the reason is blank or too long, if the deposit is itself a reversal, if the day is in the
    future or before the deposit, if the scope has no such deposit, or if its company has moved to another installation.
    """
    reason = reversal.reason.strip()
    if not 0 < len(reason) <= REASON_CHARACTERS_MAX:
        raise DepositError(f"a reversal needs a reason of up to {REASON_CHARACTERS_MAX} characters")
    deposits.lock_clinic(tx, deposits.find(tx, reversal.deposit_id, scope).clinic)
    deposit = deposits.find(tx, reversal.deposit_id, scope)
    if deposit.reversed_by is not None:
        before = show(tx, deposit.reversed_by, scope)
        return DepositSlip(before.deposit, before.entries, was_made_before=True)
    if deposit.reverses is not None:
        raise DepositError(f"deposit {deposit.id} reverses deposit {deposit.reverses}; make another deposit instead")
    if not company_moves.has_not_moved(tx, deposit.company_id):
        raise DepositError(f"company {deposit.company_id} has moved to another installation")
    today = clinics.local_date(tx, deposit.company_id, now)
    day = reversal.day or today
    check_day(day, today)
    if day < deposit.day:
        raise DepositError(f"the day {day} is before the deposit of {deposit.day}")
    entries = [each.id for each in deposit_entries.of_deposit(tx, deposit)]
    key = derived_request_key(f"reversal of {deposit.id}")
    new = NewDeposit(
        *(deposit.clinic, deposit.method, deposit.bank_account, day, key, b"", now, who),
        reverses=deposit.id,
        reason=reason,
    )
    return show(tx, deposits.add(tx, new, entries, -deposit.total), scope)


def show(tx: Transaction, deposit_id: int, scope: Scope = EVERYTHING) -> DepositSlip:
    """Return a deposit with its entries. Raises DepositError if the scope has no deposit with this id."""
    deposit = deposits.find(tx, deposit_id, scope)
    return DepositSlip(deposit, deposit_entries.of_deposit(tx, deposit, scope))


def list_deposits(tx: Transaction, chosen: DepositFilter) -> list[StoredDeposit]:
    """Return up to DEPOSITS_MAX deposits that match a filter, the newest first."""
    return deposits.read(tx, chosen, DEPOSITS_MAX)


def list_undeposited(tx: Transaction, chosen: UndepositedFilter, limit: int) -> list[DepositEntry]:
    """Return up to `limit` entries that match a filter and are on no deposit, by deposit date."""
    return deposit_entries.undeposited(tx, chosen, limit)


def list_bank_accounts(tx: Transaction, scope: Scope = EVERYTHING) -> list[str]:
    """Return up to BANK_ACCOUNTS_MAX bank accounts of earlier deposits in a scope, sorted."""
    return deposits.bank_accounts(tx, scope, BANK_ACCOUNTS_MAX)


def _clinic(tx: Transaction, draft: DepositDraft, scope: Scope) -> ClinicKey:
    """Return the clinic of a request. Raises DepositError if the scope has no such clinic, or several."""
    chosen = scope.narrowed_to_company(draft.company_id).narrowed_to_clinic(draft.clinic_id)
    found = clinics.list_keys(tx, chosen)
    if not found:
        raise DepositError(f"there is no clinic {draft.clinic_id}")
    if len(found) > 1:
        raise DepositError(f"several companies have a clinic {draft.clinic_id}; name the company")
    return found[0]
