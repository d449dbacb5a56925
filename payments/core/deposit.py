"""Rules of deposits at the bank: which entries a slip may take, and when (rule D11)."""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from payments.contract.days import YEAR_FIRST
from payments.contract.event import Method
from payments.contract.money import ZERO, Money
from payments.core.request_key import hash_request, request_key_problem

ENTRIES_MAX = 5_000
"""The largest number of entries of a deposit: more than a clinic takes in a month."""
BANK_ACCOUNT_CHARACTERS_MAX = 64
REASON_CHARACTERS_MAX = 500


class DepositError(ValueError):
    """A deposit cannot be made or reversed as requested. Nothing was changed."""


class DepositDraft(NamedTuple):
    """A deposit as requested: the entries of one clinic with one method that are taken to one bank account.

    `day` is the day of the deposit; None is the current day. The company may be None if one company of the user has the
    clinic. `entries` are ids of ledger entries. A repeated request with the same key makes no second deposit.
    """

    key: str
    clinic_id: str
    method: Method
    bank_account: str
    entries: tuple[int, ...]
    day: date | None = None
    company_id: str | None = None

    def request_hash(self) -> bytes:
        """Return a hash of the whole request."""
        return hash_request(*self)


def check_draft(draft: DepositDraft) -> None:
    """Raise DepositError if a request breaks a rule that does not depend on the ledger."""
    if problem := request_key_problem(draft.key):
        raise DepositError(problem)
    if not 0 < len(draft.bank_account.strip()) <= BANK_ACCOUNT_CHARACTERS_MAX:
        raise DepositError(f"a bank account has 1 to {BANK_ACCOUNT_CHARACTERS_MAX} characters")
    if not draft.entries:
        raise DepositError("select at least one entry")
    if len(draft.entries) > ENTRIES_MAX:
        raise DepositError(f"a deposit has at most {ENTRIES_MAX:,} entries")
    if len({*draft.entries}) < len(draft.entries):
        raise DepositError("an entry is named twice")


def check_day(day: date, today: date) -> None:
    """Raise DepositError if the day of a deposit is in the future, or too early to be stored."""
    if day > today:
        raise DepositError(f"the day of the deposit {day} is in the future; today is {today}")
    if day.year < YEAR_FIRST:
        raise DepositError(f"the day of the deposit {day}: the earliest year is {YEAR_FIRST}")


def check_entries(wanted: Sequence[int], found: Sequence[int], amount: Money) -> None:
    """Raise DepositError unless all wanted entries were found, and their sum can be taken to a bank.

    `found` are those of the wanted entries that belong to the clinic and the method and are on no deposit. `amount` is
    their sum in dollars.
    """
    if missing := sorted({*wanted} - {*found}):
        others = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise DepositError(
            f"entry {missing[0]}{others} cannot be deposited: it has another clinic or method, or is on a deposit"
        )
    if amount <= ZERO:
        raise DepositError(f"the entries add up to {amount:,}; a deposit must be more than 0.00")


class ItemKind(StrEnum):
    """Whether an entry is new money, or corrects a payment of which an earlier entry was deposited."""

    PAYMENT = "payment"
    CORRECTION = "correction"
