"""Post manual entries, and reverse entries that were a mistake (rule D4).

Locks, in this order: the entry to reverse, the line of a link, the request, the months of the entries.
"""

from datetime import date, datetime
from typing import Any, NamedTuple

from payments.contract.event import ChargeType
from payments.core.line import Line
from payments.core.manual_entry import (
    EntryDraft,
    EntryError,
    EntryPurpose,
    ManualEntry,
    check_day,
    check_entry,
    check_request_key,
)
from payments.core.request_key import derived_request_key
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.connection import Transaction
from payments.store.feed import link_targets
from payments.store.feed.link_targets import LinkTarget
from payments.store.ledger import (
    clinics,
    distribution_queue,
    entry_days,
    lines,
    linked_entries,
    manual_entries,
    stored_repayments,
    stored_transfers,
)
from payments.store.ledger.linked_entries import LinkChange
from payments.store.ledger.manual_entries import PostingStamp, RequestIdentity, StoredEntry

__all__ = ["EntryDraft", "EntryError", "EntryPurpose", "LinkChange", "LinkTarget", "ManualEntry", "StoredEntry"]


class EntryRequest(NamedTuple):
    """A request for a manual entry. Repeated requests with the same `key` and content in a company post one entry.

    `target` is the exception or the payment that the entry is for, None if the entry belongs to no payment.
    """

    key: str
    draft: EntryDraft
    target: LinkTarget | None = None


class PostedEntry(NamedTuple):
    """A posted entry, and the printed key of the payment that the entry is linked to, None if there is no link.

    `was_posted_before` is True if an earlier request with the same key posted the entry. Nothing was changed then.
    """

    entry: StoredEntry
    payment: str | None = None
    was_posted_before: bool = False


def post(tx: Transaction, request: EntryRequest, now: datetime, who: str, scope: Scope = EVERYTHING) -> PostedEntry:
    """Post a manual entry, and link it to a payment if the request names one.

    Raises EntryError if the entry breaks a rule, or if the request's key was used for another entry. Raises
    AmbiguousIdError if several companies have the payment's key. `scope` limits the clinics and payments that the
    request may name.
    """
    check_request_key(request.key)
    line = link_targets.lock(tx, request.target, scope) if request.target else None
    company_id = request.draft.company_id or (line.company_id if line else None)
    if company_id is None:
        raise EntryError("name the company of the entry")
    manual_entries.lock(tx, f"{company_id}:{request.key}")
    identity = RequestIdentity(request.key, request.draft.request_hash(request.target))
    if before := manual_entries.find_requested(tx, company_id, request.key):
        return _posted_before(tx, before, identity, scope)
    today = clinics.local_date(tx, company_id, now)
    entry = _complete(tx, request.draft._replace(company_id=company_id), line, today, scope)
    _check_place(tx, entry, scope)
    if line is not None:
        linked_entries.check_linkable(entry, line)
    check_entry(entry, today)
    entry_days.check_month(tx, company_id, entry.deposit_date)
    stamp = PostingStamp(today, now, who)
    entry_id = manual_entries.add(tx, entry, identity, stamp)
    distribution_queue.enqueue(tx, {(company_id, entry.patient_id)}, now)
    if line is None or request.target is None:
        return PostedEntry(manual_entries.find(tx, entry_id))
    stored = manual_entries.find(tx, entry_id)
    linked_entries.attach(tx, stored, line, request.target.finding_id, stamp)
    stored = manual_entries.find(tx, entry_id)
    return PostedEntry(stored, linked_entries.payment_of(tx, stored, scope))


class ReversalRequest(NamedTuple):
    """A request to reverse the manual entry `entry_id`, with the reason.

    `deposit_date` defaults to the deposit date of the entry or, if the month of that date is not open, to today.
    """

    entry_id: int
    reason: str
    deposit_date: date | None = None


class ReversalResult(NamedTuple):
    """An entry that was reversed, and the entry `reversal` that reverses it.

    `was_reversed_before` is True if an earlier call reversed the entry. Nothing was changed then.
    """

    entry: StoredEntry
    reversal: StoredEntry
    was_reversed_before: bool = False


def reverse(
    tx: Transaction, request: ReversalRequest, now: datetime, who: str, scope: Scope = EVERYTHING
) -> ReversalResult:
    """Reverse a manual entry: post an opposite entry that refers to it, and end the entry's link to its payment.

    A second call changes nothing. Raises EntryError if the reason is blank, if the entry is itself a reversal, or if
    the month of the deposit date is not open.
    """
    reason = request.reason.strip()
    if not reason:
        raise EntryError("a reason is needed to reverse an entry")
    manual_entries.lock(tx, str(request.entry_id))
    entry = manual_entries.find(tx, request.entry_id, scope)
    if entry.reversed_by is not None:
        return ReversalResult(entry, manual_entries.find(tx, entry.reversed_by), was_reversed_before=True)
    if entry.reverses is not None:
        raise EntryError(f"entry {entry.id} reverses entry {entry.reverses}; post another entry instead")
    _check_unused(tx, entry)
    company_id, today = entry.content.company_id, clinics.local_date(tx, entry.content.company_id, now)
    manual_entries.check_has_not_moved(tx, company_id)
    stamp = PostingStamp(today, now, who, reverses=entry.id)
    if entry.line_ref is not None:
        linked_entries.detach(tx, entry, reason, stamp)
    day = request.deposit_date or entry.content.deposit_date
    if request.deposit_date is None and not entry_days.is_open(tx, company_id, day):
        day = today
    content = entry.content._replace(amount=-entry.content.amount, deposit_date=day, reason=reason)
    check_day(day, today)
    entry_days.check_month(tx, company_id, day)
    added = manual_entries.add(tx, content, RequestIdentity(derived_request_key(f"reversal of {entry.id}"), b""), stamp)
    distribution_queue.enqueue(tx, {(company_id, content.patient_id)}, now)
    return ReversalResult(manual_entries.find(tx, entry.id), manual_entries.find(tx, added))


def show(tx: Transaction, entry_id: int, scope: Scope = EVERYTHING) -> PostedEntry:
    """Return a manual entry with its payment. Raises EntryError if the scope has no manual entry with this id."""
    entry = manual_entries.find(tx, entry_id, scope)
    return PostedEntry(entry, linked_entries.payment_of(tx, entry, scope))


def of_account(tx: Transaction, patient_id: str, scope: Scope = EVERYTHING) -> list[PostedEntry]:
    """Return the manual entries of a patient in a scope, newest first, with their payments."""
    found = manual_entries.of_patient(tx, patient_id, scope)
    keys = lines.printed_keys(tx, [each.line_ref for each in found if each.line_ref is not None], scope)
    return [PostedEntry(each, keys.get(each.line_ref) if each.line_ref is not None else None) for each in found]


def _check_unused(tx: Transaction, entry: StoredEntry) -> None:
    """Raise EntryError if an entry was posted by a refund or a transfer, or if one of these uses its money."""
    company_id = entry.content.company_id
    if entry.content.purpose is EntryPurpose.TRANSFER:
        transfer = stored_transfers.id_of_entry(tx, company_id, entry.id)
        raise EntryError(f"entry {entry.id} was posted by transfer {transfer}; undo the transfer instead")
    if not entry.content.purpose.is_by_hand:
        refund = stored_repayments.id_of_entry(tx, company_id, entry.id)
        raise EntryError(f"entry {entry.id} was posted by refund {refund}; void the refund instead")
    if refund := stored_repayments.active_of_entry(tx, company_id, entry.id):
        raise EntryError(f"refund {refund} pays entry {entry.id} back; void the refund first")
    if transfer := stored_transfers.active_of_entry(tx, company_id, entry.id):
        raise EntryError(f"transfer {transfer} has moved money of entry {entry.id}; undo the transfer first")


def _posted_before(tx: Transaction, before: StoredEntry, identity: RequestIdentity, scope: Scope) -> PostedEntry:
    visible = manual_entries.load(tx, before.id, scope)
    if visible is None or bytes(before.request_hash) != identity.hash:
        raise EntryError("this request key was used for another entry; use a new key")
    return PostedEntry(visible, linked_entries.payment_of(tx, visible, scope), was_posted_before=True)


def _complete(tx: Transaction, draft: EntryDraft, line: Line | None, today: date, scope: Scope) -> ManualEntry:
    """Return the entry of a draft. Fill in the fields that are None as `EntryDraft` describes (rule D4).

    Raises EntryError if the patient is missing, or the clinic if the company has several.
    """
    content = line.content if line else None
    given: dict[str, Any] = {name: value for name, value in draft._asdict().items() if value is not None}
    if line is not None:
        given = {"clinic_id": line.key.clinic_id, "patient_id": line.patient_id} | given
    if content is not None:
        given = {"charge_type": content.charge_type, "date_of_service": content.service_date} | given
        given["provider_id"] = content.provider_id
    if "patient_id" not in given:
        raise EntryError("name the patient of the entry")
    if "clinic_id" not in given:
        given["clinic_id"] = _only_clinic(tx, given["company_id"], scope)
    defaults: dict[str, Any] = {"charge_type": ChargeType.OTHER, "deposit_date": today}
    return ManualEntry(**(defaults | given))


def _only_clinic(tx: Transaction, company_id: str, scope: Scope) -> str:
    visible = [each for each in manual_entries.clinic_ids(tx, company_id) if scope.may_see(company_id, each)]
    if len(visible) != 1:
        raise EntryError("name the clinic of the entry")
    return visible[0]


def _check_place(tx: Transaction, entry: ManualEntry, scope: Scope) -> None:
    """Raise EntryError unless Billing has the clinic and the patient, and the user may see the clinic."""
    is_known = entry.clinic_id in manual_entries.clinic_ids(tx, entry.company_id)
    if not is_known or not scope.may_see(entry.company_id, entry.clinic_id):
        raise EntryError(f"there is no clinic {entry.clinic_id} in company {entry.company_id}")
    if not manual_entries.has_patient(tx, entry.company_id, entry.patient_id):
        raise EntryError(f"there is no patient {entry.patient_id} in company {entry.company_id}")
    manual_entries.check_has_not_moved(tx, entry.company_id)
