"""Move money between accounts: the credit of an account, or a payment that was posted to the wrong patient (rule D8).

A transfer posts two entries of the same clinic, deposit date and method: one takes the money, one gives it. Their sum
is 0.00. Undoing a transfer reverses both. Locks, in this order: the request, the accounts by patient id, the moved
manual entry, the months.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from payments.contract.event import Method
from payments.contract.money import Money
from payments.core.credit import EntrySource, SourceId
from payments.core.manual_entry import check_request_key
from payments.core.repayment import available_amount
from payments.core.scope import EVERYTHING, Scope
from payments.core.sorting import Window
from payments.core.transfer import (
    TransferDraft,
    TransferError,
    TransferState,
    amount_to_move,
    check_draft,
    check_reason,
    check_undo,
)
from payments.store.db.connection import Transaction
from payments.store.db.keyset import Page, PositionedRow, read_window
from payments.store.feed import repayment_targets
from payments.store.feed.repayment_targets import RepaymentTarget
from payments.store.ledger import (
    distribution,
    lines,
    manual_entries,
    repayments,
    stored_repayments,
    stored_transfers,
    transfers,
)
from payments.store.ledger.manual_entries import RequestIdentity
from payments.store.ledger.stored_transfers import SORTS, StoredTransfer, TransferFilter
from payments.store.ledger.transfers import Moved

__all__ = [
    "SORTS",
    "RepaymentTarget",
    "StoredTransfer",
    "TransferDraft",
    "TransferError",
    "TransferFilter",
    "TransferState",
]


class TransferRequest(NamedTuple):
    """A request to move money. Repeated requests with the same `key` and content in a company move it once."""

    key: str
    draft: TransferDraft
    source: RepaymentTarget


class Transfer(NamedTuple):
    """A transfer, with the printed key of the payment whose money was moved, None for other money.

    `was_done_before` is True if an earlier call made the change. Nothing was changed then.
    """

    stored: StoredTransfer
    payment: str | None = None
    was_done_before: bool = False


class Undo(NamedTuple):
    """A request to undo a transfer, with the reason."""

    transfer_id: int
    reason: str


def make(tx: Transaction, asked: TransferRequest, now: datetime, who: str, scope: Scope = EVERYTHING) -> Transfer:
    """Move money to the account of another patient of the same company.

    Raises TransferError if a rule refuses the transfer, RepaymentError if there is no such payment or account, and
    AmbiguousIdError if several companies have the payment's key. Raises EntryError if the key is not one that a user
    may choose, if the deposit date is in the future or its month is not open, or if the company has moved to another
    installation.
    """
    check_request_key(asked.key)
    place, method, source = repayment_targets.find(tx, asked.source, scope)
    request_hash = asked.draft.request_hash(asked.source)
    transfers.lock_request(tx, place.company_id, asked.key)
    if before := stored_transfers.find_requested(tx, place.company_id, asked.key):
        if before.request_hash != request_hash or not scope.may_see(place.company_id, before.clinic_id):
            raise TransferError("this request key was used for another transfer; use a new key")
        return _with_payments(tx, [before], scope)[0]._replace(was_done_before=True)
    transfers.lock_accounts(tx, place.company_id, (place.patient_id, asked.draft.to_patient_id))
    if place.paid_entry_ref is not None:
        manual_entries.lock(tx, str(place.paid_entry_ref))
    check_draft(asked.draft, place.patient_id)
    if not manual_entries.has_patient(tx, place.company_id, asked.draft.to_patient_id):
        raise TransferError(f"there is no patient {asked.draft.to_patient_id} in company {place.company_id}")
    available = _available(tx, (place.company_id, place.patient_id), source, now)
    amount = amount_to_move(asked.draft, available, is_credit=source is None)
    moved = Moved(place, amount, method or Method.OTHER)
    added = transfers.post(tx, moved, asked.draft, RequestIdentity(asked.key, request_hash), (now, who))
    return show(tx, added, scope)


def undo(tx: Transaction, asked: Undo, now: datetime, who: str, scope: Scope = EVERYTHING) -> Transfer:
    """Undo a transfer: reverse both of its entries. A second call changes nothing.

    The deposit date of the reversals is that of the entries or, if its month is closed, the current day. Raises
    TransferError if the receiving account no longer has the money, if the reason is blank or too long, or if the scope
    has no such transfer. Raises EntryError if the month of the current day is closed too, or if the company has moved
    to another installation.
    """
    check_reason(asked.reason)
    seen = stored_transfers.find(tx, asked.transfer_id, scope)
    transfers.lock_accounts(tx, seen.company_id, (seen.from_patient_id, seen.to_patient_id))
    manual_entries.check_has_not_moved(tx, seen.company_id)
    stored = stored_transfers.find(tx, asked.transfer_id, scope)
    if stored.state is TransferState.UNDONE:
        return _with_payments(tx, [stored], scope)[0]._replace(was_done_before=True)
    receiver = (stored.company_id, stored.to_patient_id)
    available = _available(tx, receiver, EntrySource(stored.to_entry_ref), now)
    check_undo(stored.amount, available, stored.to_patient_id)
    transfers.reverse(tx, stored, asked.reason.strip(), now, who)
    return show(tx, stored.id, scope)


def show(tx: Transaction, transfer_id: int, scope: Scope = EVERYTHING) -> Transfer:
    """Return a transfer. Raises TransferError if there is none with this id in the scope."""
    return _with_payments(tx, [stored_transfers.find(tx, transfer_id, scope)], scope)[0]


def list_transfers(tx: Transaction, chosen: TransferFilter) -> list[Transfer]:
    """Return the transfers that a filter selects, newest first."""
    return _with_payments(tx, stored_transfers.read(tx, chosen), chosen.scope)


def read_page(tx: Transaction, chosen: TransferFilter, window: Window) -> Page[Transfer]:
    """Return a page of the transfers that a filter selects, newest first."""
    page = read_window(window, lambda each: stored_transfers.read_page(tx, chosen, each))
    rows = _with_payments(tx, [each.row for each in page.rows], chosen.scope)
    positioned = [PositionedRow(each.position, row) for each, row in zip(page.rows, rows, strict=True)]
    return Page(positioned, page.has_more, page.has_previous)


def id_of_entry(tx: Transaction, company_id: str, entry_id: int) -> int | None:
    """Return the id of the transfer that posted an entry, or None."""
    return stored_transfers.id_of_entry(tx, company_id, entry_id)


def find_available(tx: Transaction, source: RepaymentTarget, now: datetime, scope: Scope = EVERYTHING) -> Money:
    """Return the largest amount of a payment or of an account's credit that can be moved, in dollars.

    Raises the errors of `repayment_targets.find`.
    """
    place, _, found = repayment_targets.find(tx, source, scope)
    return _available(tx, (place.company_id, place.patient_id), found, now)


def _available(tx: Transaction, key: tuple[str, str], source: SourceId | None, now: datetime) -> Money:
    account = distribution.load_accounts(tx, [key], None, now, immediate_only=True)[key]
    reserved = repayments.pending(stored_repayments.of_accounts(tx, [key]), None)
    return available_amount(account, source, reserved, account.policy.as_of)


def _with_payments(tx: Transaction, found: Iterable[StoredTransfer], scope: Scope) -> list[Transfer]:
    rows = list(found)
    keys = lines.printed_keys(tx, [each.line_ref for each in rows if each.line_ref is not None], scope)
    return [Transfer(each, keys.get(each.line_ref) if each.line_ref is not None else None) for each in rows]
