"""The money of a refund or a transfer: that of a payment, of a manual entry, or the credit of an account (rule D8)."""

from typing import NamedTuple

from payments.contract.event import ChargeType, Method
from payments.contract.money import ZERO
from payments.core.credit import EntrySource, SourceId
from payments.core.manual_entry import EntryPurpose
from payments.core.repayment import RepaymentError
from payments.core.scope import Scope
from payments.store.db.connection import Transaction
from payments.store.feed import link_targets
from payments.store.ledger import manual_entries, repayments
from payments.store.ledger.stored_repayments import RepaymentPlace


class RepaymentTarget(NamedTuple):
    """The money to pay back or to move: a payment by its printed key, a manual entry by its id, or an account's credit.

    For a credit, `clinic_id` is by default the company's only clinic. For a payment, `company_id` may name its company.
    """

    payment: str | None = None
    entry_id: int | None = None
    company_id: str | None = None
    clinic_id: str | None = None
    patient_id: str | None = None


class FoundTarget(NamedTuple):
    """The place of the money, the method of the payment, and the source. For a credit, method and source are None."""

    place: RepaymentPlace
    method: Method | None
    source: SourceId | None


def find(tx: Transaction, target: RepaymentTarget, scope: Scope) -> FoundTarget:
    """Return the place of the money that a refund pays back or a transfer moves.

    Raises RepaymentError if it is not in the scope, or if the money cannot be taken from there. Raises AmbiguousIdError
    if several companies have the payment's key, and EntryError if the company has moved to another installation.
    """
    if target.payment is not None:
        found = _payment(tx, target.payment, scope.narrowed_to_company(target.company_id))
    elif target.entry_id is not None:
        found = _entry(tx, target.entry_id, scope)
    else:
        found = FoundTarget(_credit(tx, target, scope), None, None)
    manual_entries.check_has_not_moved(tx, found.place.company_id)
    return found


def _payment(tx: Transaction, key: str, scope: Scope) -> FoundTarget:
    line_ref = link_targets.find_payment(tx, key, scope)
    found = repayments.place_of_line(tx, line_ref) if line_ref is not None else None
    if found is None or not scope.may_see(found[0].company_id, found[0].clinic_id):
        raise RepaymentError(f"there is no payment {key}")
    return FoundTarget(*found, line_ref)


def _entry(tx: Transaction, entry_id: int, scope: Scope) -> FoundTarget:
    entry = manual_entries.load(tx, entry_id, scope)
    if entry is None:
        raise RepaymentError(f"there is no manual entry {entry_id}")
    content = entry.content
    if not content.purpose.is_by_hand and not (content.purpose is EntryPurpose.TRANSFER and content.amount > ZERO):
        raise RepaymentError(f"entry {entry_id} takes money out of the account itself")
    own = (content.company_id, content.clinic_id, content.patient_id, content.charge_type, content.date_of_service)
    source: SourceId = EntrySource(entry_id) if entry.line_ref is None else entry.line_ref
    return FoundTarget(RepaymentPlace(*own, paid_entry_ref=entry_id), content.method, source)


def _credit(tx: Transaction, target: RepaymentTarget, scope: Scope) -> RepaymentPlace:
    """Return the place of an account's credit. The credit is of all clinics, so users of some clinics do not see it.

    Raises RepaymentError if the scope has no such company or patient, or is limited to clinics, or if a clinic must be
    named.
    """
    company_id, patient_id = target.company_id, target.patient_id
    if company_id is None or patient_id is None:
        raise RepaymentError("name a payment, a manual entry, or the company and the patient of a credit")
    if not scope.may_see(company_id, target.clinic_id) and scope.clinics is None:
        raise RepaymentError(f"there is no company {company_id}")
    if scope.clinics is not None:
        raise RepaymentError("the credit of an account belongs to all clinics of its company; name a payment")
    if not manual_entries.has_patient(tx, company_id, patient_id):
        raise RepaymentError(f"there is no patient {patient_id} in company {company_id}")
    known = manual_entries.clinic_ids(tx, company_id)
    if target.clinic_id is None and len(known) != 1:
        raise RepaymentError("name the clinic that pays the credit back")
    clinic_id = target.clinic_id or known[0]
    if clinic_id not in known:
        raise RepaymentError(f"there is no clinic {clinic_id} in company {company_id}")
    return RepaymentPlace(company_id, clinic_id, patient_id, ChargeType.OTHER)
