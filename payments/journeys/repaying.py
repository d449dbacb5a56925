"""Refunds that the office pays, and payments that the bank takes back: request, approve, issue and void (rule D8).

The original deposit never changes: an entry of its own takes the money out, and its reversal voids it. Locks, in this
order: the request, the account, the repaid manual entry, the months.
"""

from datetime import date, datetime
from typing import NamedTuple

from payments.contract.event import Method
from payments.contract.money import Money
from payments.core.credit import SourceId
from payments.core.manual_entry import check_request_key
from payments.core.person import may_be_same_person
from payments.core.repayment import (
    PendingRepayment,
    RepaymentDraft,
    RepaymentError,
    RepaymentKind,
    RepaymentState,
    available_amount,
    check_amount,
    check_approval,
    check_draft,
    check_reference,
    needs_approval,
)
from payments.core.scope import EVERYTHING, Scope
from payments.core.sorting import Window
from payments.store.db.connection import Transaction
from payments.store.db.keyset import Page
from payments.store.feed import repayment_targets
from payments.store.feed.repayment_targets import RepaymentTarget
from payments.store.ledger import (
    distribution,
    manual_entries,
    repayment_details,
    repayment_entries,
    repayments,
    stored_repayments,
)
from payments.store.ledger.manual_entries import RequestIdentity
from payments.store.ledger.repayment_details import Repayment
from payments.store.ledger.repayment_entries import EntryStamp
from payments.store.ledger.stored_repayments import SORTS, RepaymentFilter, RepaymentPlace, StoredRepayment

__all__ = [
    "SORTS",
    "Repayment",
    "RepaymentDraft",
    "RepaymentError",
    "RepaymentFilter",
    "RepaymentKind",
    "RepaymentState",
    "RepaymentTarget",
    "StoredRepayment",
    "may_be_same_person",
]


class RepaymentRequest(NamedTuple):
    """A request for a refund, or the record of a returned payment. The same `key` in the same company counts once.

    `reference` and `deposit_date` belong to a returned payment, which is posted immediately. The deposit date is by
    default the current day.
    """

    key: str
    draft: RepaymentDraft
    target: RepaymentTarget
    reference: str = ""
    deposit_date: date | None = None


class Issue(NamedTuple):
    """The issue of a refund: its reference, such as the number of the check, and the deposit date of its entry.

    The deposit date is by default the current day. `is_another` states that a similar refund of the EMR is another one.
    """

    repayment_id: int
    reference: str
    deposit_date: date | None = None
    is_another: bool = False


def request(tx: Transaction, asked: RepaymentRequest, now: datetime, who: str, scope: Scope = EVERYTHING) -> Repayment:
    """Request a refund, or record and post a payment that the bank took back.

    Raises RepaymentError if a rule refuses the request, or if the key was used for another one. Raises EntryError if
    the key is not one that a user may choose, if a returned payment cannot be posted on its deposit date, or if the
    company has moved to another installation. Raises AmbiguousIdError if several companies have the payment's key.
    """
    check_request_key(asked.key)
    place, method, source = repayment_targets.find(tx, asked.target, scope)
    request_hash = asked.draft.request_hash(asked.target, asked.reference, asked.deposit_date)
    repayments.lock_request(tx, place.company_id, asked.key)
    if before := stored_repayments.find_requested(tx, place.company_id, asked.key):
        if before.request_hash != request_hash or not scope.may_see(place.company_id, before.place.clinic_id):
            raise RepaymentError("this request key was used for another refund; use a new key")
        return repayment_details.load(tx, [before], scope)[0]._replace(was_done_before=True)
    _lock(tx, place)
    draft = asked.draft._replace(method=asked.draft.method or method or Method.CHECK)
    check_draft(draft, method)
    check_amount(draft.amount, _available(tx, place, source, None, now), is_credit=source is None)
    added = repayments.add(tx, place, draft, RequestIdentity(asked.key, request_hash), (now, who))
    stored = stored_repayments.find(tx, added)
    if draft.kind.is_decided_by_bank:
        repayment_entries.post(tx, stored, EntryStamp(asked.reference, asked.deposit_date, now, who))
    return show(tx, added, scope)


def approve(tx: Transaction, repayment_id: int, now: datetime, who: str, scope: Scope = EVERYTHING) -> Repayment:
    """Approve a refund.

    Raises RepaymentError unless it waits for an approval and another person requested it. Raises EntryError if its
    company has moved to another installation.
    """
    stored = _locked(tx, repayment_id, scope)
    check_approval(stored.decisions, who)
    repayments.approve(tx, stored, now, who)
    return show(tx, repayment_id, scope)


def issue(tx: Transaction, asked: Issue, now: datetime, who: str, scope: Scope = EVERYTHING) -> Repayment:
    """Issue a refund: post the entry that takes the money out.

    Raises RepaymentError if the refund was issued or voided before, if the reference is missing or too long, if the
    refund lacks an approval that its company demands, if the account no longer has the money, or if the EMR has a
    refund that may be the same. Raises EntryError if the deposit date is in the future or in a month that is not open,
    or if the company has moved to another installation.
    """
    stored = _locked(tx, asked.repayment_id, scope)
    if stored.decisions.state in {RepaymentState.ISSUED, RepaymentState.VOIDED}:
        raise RepaymentError(f"refund {stored.id} is {stored.decisions.state} already")
    check_reference(asked.reference)
    if is_approval_missing(tx, stored):
        limit = repayments.refund_limit(tx, stored.place.company_id)
        raise RepaymentError(f"refunds above {limit:,} need the approval of another person")
    available = _available(tx, stored.place, stored.source, stored.id, now)
    check_amount(stored.draft.amount, available, is_credit=stored.source is None)
    (same,) = (each.same_in_emr for each in repayment_details.load(tx, [stored], EVERYTHING))
    if same and not asked.is_another:
        raise RepaymentError(
            "the EMR has a refund of this account with the same amount; confirm that it is another one"
        )
    repayment_entries.post(tx, stored, EntryStamp(asked.reference, asked.deposit_date, now, who))
    return show(tx, stored.id, scope)


class Void(NamedTuple):
    """A request to void a refund, with the reason."""

    repayment_id: int
    reason: str


def void(tx: Transaction, asked: Void, now: datetime, who: str, scope: Scope = EVERYTHING) -> Repayment:
    """Void a refund or a returned payment. The entry that it has posted is reversed. A second call changes nothing.

    The deposit date of the reversal is that of the entry or, if its month is closed, the current day. Raises
    RepaymentError if the reason is blank, or if the scope has no such refund. Raises EntryError if the month of the
    current day is closed too, or if the company has moved to another installation.
    """
    reason = asked.reason.strip()
    if not reason:
        raise RepaymentError("a reason is needed to void a refund")
    stored = _locked(tx, asked.repayment_id, scope)
    if stored.decisions.state is RepaymentState.VOIDED:
        return repayment_details.load(tx, [stored], scope)[0]._replace(was_done_before=True)
    if stored.entry_ref is not None:
        repayment_entries.reverse(tx, stored, reason, now, who)
    repayments.void(tx, stored, reason, now, who)
    return show(tx, stored.id, scope)


def show(tx: Transaction, repayment_id: int, scope: Scope = EVERYTHING) -> Repayment:
    """Return a refund with its payment. Raises RepaymentError if there is none with this id in the scope."""
    return repayment_details.load(tx, [stored_repayments.find(tx, repayment_id, scope)], scope)[0]


def list_repayments(tx: Transaction, chosen: RepaymentFilter) -> list[Repayment]:
    """Return the refunds and returned payments that a filter selects, newest first, with their payments."""
    return repayment_details.load(tx, stored_repayments.read(tx, chosen), chosen.scope)


def read_page(tx: Transaction, chosen: RepaymentFilter, window: Window) -> Page[Repayment]:
    """Return a page of the refunds and returned payments that a filter selects, newest first."""
    return repayment_details.read_page(tx, chosen, window)


def id_of_entry(tx: Transaction, company_id: str, entry_id: int) -> int | None:
    """Return the id of the refund that posted an entry, or None."""
    return stored_repayments.id_of_entry(tx, company_id, entry_id)


def is_approval_missing(tx: Transaction, stored: StoredRepayment) -> bool:
    """Return whether another person must approve a refund before it is issued, and nobody has done so."""
    if stored.decisions.state is not RepaymentState.REQUESTED or stored.draft.kind.is_decided_by_bank:
        return False
    limit = repayments.refund_limit(tx, stored.place.company_id)
    return needs_approval(stored.draft.amount, repayments.unapproved_amount(tx, stored), limit)


def find_available(tx: Transaction, target: RepaymentTarget, now: datetime, scope: Scope = EVERYTHING) -> Money:
    """Return the largest amount of a payment or of an account's credit that may be paid back, in dollars.

    Raises the errors of `repayment_targets.find`.
    """
    place, _, source = repayment_targets.find(tx, target, scope)
    return _available(tx, place, source, None, now)


def _lock(tx: Transaction, place: RepaymentPlace) -> None:
    repayments.lock_account(tx, place.company_id, place.patient_id)
    if place.paid_entry_ref is not None:
        manual_entries.lock(tx, str(place.paid_entry_ref))


def _locked(tx: Transaction, repayment_id: int, scope: Scope) -> StoredRepayment:
    """Lock the account of a refund, and return the refund as it is then.

    Raises RepaymentError if the scope has no refund with this id, and EntryError if its company has moved to another
    installation.
    """
    place = stored_repayments.find(tx, repayment_id, scope).place
    _lock(tx, place)
    manual_entries.check_has_not_moved(tx, place.company_id)
    return stored_repayments.find(tx, repayment_id, scope)


def _available(
    tx: Transaction, place: RepaymentPlace, source: SourceId | None, without: int | None, now: datetime
) -> Money:
    key = (place.company_id, place.patient_id)
    account = distribution.load_accounts(tx, [key], None, now, immediate_only=True)[key]
    others: list[PendingRepayment] = repayments.pending(stored_repayments.of_accounts(tx, [key]), without)
    return available_amount(account, source, others, account.policy.as_of)
