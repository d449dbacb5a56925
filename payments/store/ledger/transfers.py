"""Store transfers of money between accounts, with their pairs of entries and the reversals of these (rule D8)."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from payments.contract.event import Method
from payments.contract.money import Money
from payments.core.manual_entry import EntryPurpose, ManualEntry, check_day
from payments.core.request_key import derived_request_key
from payments.core.transfer import TransferDraft
from payments.store.db.advisory_locks import AdvisoryLock, acquire_for
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.ledger import clinics, distribution_queue, entry_days, manual_entries, repayments
from payments.store.ledger.manual_entries import PostingStamp, RequestIdentity
from payments.store.ledger.stored_repayments import RepaymentPlace
from payments.store.ledger.stored_transfers import StoredTransfer


class Moved(NamedTuple):
    """The money of a transfer: where it is, its amount in dollars, and the method of its payment."""

    place: RepaymentPlace
    amount: Money
    method: Method


def lock_request(tx: Transaction, company_id: str, key: str) -> None:
    """Serialize requests with the same key. Acquire it before the locks of the accounts."""
    acquire_for(tx, AdvisoryLock.REPAYMENT, f"transfer\n{company_id}\n{key}")


def lock_accounts(tx: Transaction, company_id: str, patient_ids: Iterable[str]) -> None:
    """Lock accounts for refunds and transfers, in the order of the patients' ids."""
    for patient_id in sorted(set(patient_ids)):
        repayments.lock_account(tx, company_id, patient_id)


def post(
    tx: Transaction, moved: Moved, draft: TransferDraft, request: RequestIdentity, stamp: tuple[datetime, str]
) -> int:
    """Post both entries of a transfer, and return the id of the transfer. `stamp` is its time and its user.

    Raises EntryError if the deposit date is in the future, or in a month that is not open.
    """
    place, (now, who) = moved.place, stamp
    today = clinics.local_date(tx, place.company_id, now)
    day = draft.deposit_date or today
    check_day(day, today)
    entry_days.check_month(tx, place.company_id, day)
    taken = ManualEntry(
        company_id=place.company_id,
        clinic_id=place.clinic_id,
        patient_id=place.patient_id,
        purpose=EntryPurpose.TRANSFER,
        amount=-moved.amount,
        deposit_date=day,
        method=moved.method,
        charge_type=place.charge_type,
        reason=draft.reason,
        date_of_service=place.date_of_service,
    )
    given = taken._replace(patient_id=draft.to_patient_id, amount=moved.amount)
    refs = [
        manual_entries.add(tx, entry, RequestIdentity(_key(request.key, side), b""), PostingStamp(today, now, who))
        for entry, side in ((taken, "from"), (given, "to"))
    ]
    distribution_queue.enqueue(tx, {(each.company_id, each.patient_id) for each in (taken, given)}, now)
    return _add(tx, place, draft, request, refs)


def _key(request_key: str, side: str) -> str:
    return derived_request_key(f"transfer {side} {request_key}")


def _add(
    tx: Transaction, place: RepaymentPlace, draft: TransferDraft, request: RequestIdentity, refs: list[int]
) -> int:
    values = {
        "company_id": place.company_id,
        "clinic_id": place.clinic_id,
        "from_patient_id": place.patient_id,
        "to_patient_id": draft.to_patient_id,
        "line_ref": place.line_ref,
        "moved_entry_ref": place.paid_entry_ref,
        "from_entry_ref": refs[0],
        "to_entry_ref": refs[1],
        "request_key": request.key,
        "request_hash": request.hash,
    }
    names = ", ".join(values)
    added = text(f"INSERT INTO transfers ({names}) VALUES ({', '.join(f':{name}' for name in values)}) RETURNING id")
    return int(tx.execute(added, values).scalar_one())


def reverse(tx: Transaction, transfer: StoredTransfer, reason: str, now: datetime, who: str) -> None:
    """Reverse both entries of a transfer on their own deposit date or, if that month is closed, on the current day.

    Raises EntryError if the month of the current day is closed too.
    """
    today = clinics.local_date(tx, transfer.company_id, now)
    day = transfer.deposit_date if entry_days.is_open(tx, transfer.company_id, transfer.deposit_date) else today
    entry_days.check_month(tx, transfer.company_id, day)
    for entry_ref in (transfer.from_entry_ref, transfer.to_entry_ref):
        posted = manual_entries.find(tx, entry_ref).content
        content = posted._replace(amount=-posted.amount, deposit_date=day, reason=reason)
        request = RequestIdentity(derived_request_key(f"reversal of {entry_ref}"), b"")
        manual_entries.add(tx, content, request, PostingStamp(today, now, who, reverses=entry_ref))
        distribution_queue.enqueue(tx, {(content.company_id, content.patient_id)}, now)
