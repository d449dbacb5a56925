"""The entry that takes the money of a refund out of an account, and its reversal (rule D8)."""

from datetime import date, datetime
from typing import NamedTuple

from payments.core.manual_entry import ManualEntry, check_day
from payments.core.request_key import derived_request_key
from payments.store.db.connection import Transaction
from payments.store.ledger import clinics, distribution_queue, entry_days, manual_entries, repayments
from payments.store.ledger.manual_entries import PostingStamp, RequestIdentity
from payments.store.ledger.stored_repayments import StoredRepayment


class EntryStamp(NamedTuple):
    """The reference and the deposit date of the entry of a refund, when it is posted, and by whom.

    The deposit date is None for the current day of the company.
    """

    reference: str
    deposit_date: date | None
    at: datetime
    who: str


def post(tx: Transaction, repayment: StoredRepayment, stamp: EntryStamp) -> None:
    """Post the entry of a refund, and store that it was issued.

    Raises EntryError if the deposit date is in the future or in a month that is not open.
    """
    place = repayment.place
    today = clinics.local_date(tx, place.company_id, stamp.at)
    day = stamp.deposit_date or today
    check_day(day, today)
    entry_days.check_month(tx, place.company_id, day)
    entry = ManualEntry(
        company_id=place.company_id,
        clinic_id=place.clinic_id,
        patient_id=place.patient_id,
        purpose=repayment.draft.kind.purpose,
        amount=-repayment.draft.amount,
        deposit_date=day,
        method=repayment.method,
        charge_type=place.charge_type,
        reference=stamp.reference.strip() or None,
        reason=repayment.draft.reason,
        date_of_service=place.date_of_service,
    )
    entry_id = manual_entries.add(
        tx,
        entry,
        RequestIdentity(derived_request_key(f"refund {repayment.id}"), b""),
        PostingStamp(today, stamp.at, stamp.who),
    )
    repayments.issue(tx, repayment, entry_id, stamp.at, stamp.who)
    distribution_queue.enqueue(tx, {(place.company_id, place.patient_id)}, stamp.at)


def reverse(tx: Transaction, repayment: StoredRepayment, reason: str, now: datetime, who: str) -> None:
    """Reverse the entry of a refund on its own deposit date or, if that month is closed, on the current day.

    Raises EntryError if the month of the current day is closed too.
    """
    assert repayment.entry_ref is not None  # noqa: S101 (the caller has checked it)
    company_id = repayment.place.company_id
    today = clinics.local_date(tx, company_id, now)
    posted = manual_entries.find(tx, repayment.entry_ref).content
    day = posted.deposit_date if entry_days.is_open(tx, company_id, posted.deposit_date) else today
    entry_days.check_month(tx, company_id, day)
    content = posted._replace(amount=-posted.amount, deposit_date=day, reason=reason)
    request = RequestIdentity(derived_request_key(f"reversal of {repayment.entry_ref}"), b"")
    manual_entries.add(tx, content, request, PostingStamp(today, now, who, reverses=repayment.entry_ref))
    distribution_queue.enqueue(tx, {(company_id, repayment.place.patient_id)}, now)
