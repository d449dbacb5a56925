"""Admission: whether events may name a company and a clinic. The check runs before an event inserts any row."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from payments.contract.keys import ClinicKey
from payments.core.outcome import Reason
from payments.store.db.advisory_locks import AdvisoryLock, acquire_shared
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.ledger.clinics import Clinic


class NamedClinic(NamedTuple):
    """The company and the clinic that an event names. A saved patient names no clinic."""

    company_id: str
    clinic_id: str | None


class Refusal(NamedTuple):
    """Why an event is Not Sent, with the id that Billing does not have."""

    reason: Reason
    error: str


def refused(
    tx: Transaction, named: Iterable[NamedClinic], loaded: Mapping[ClinicKey, Clinic], *, creates_unknown: bool
) -> dict[NamedClinic, Refusal]:
    """Return the companies and clinics that are retired, or that Billing does not have; their events are Not Sent.

    `loaded` are those of the clinics that exist. With `creates_unknown` only retired ones are refused, because an
    import creates unknown ones. The caller has called `share_lock` before it loaded the clinics.
    """
    accepted = {NamedClinic(*key) for key, clinic in loaded.items() if not clinic.is_retired}
    accepted |= {NamedClinic(each.company_id, None) for each in accepted}
    wanted = set(named) - accepted
    if not wanted:
        return {}
    companies = {each.company_id for each in wanted}
    clinics = {each.clinic_id for each in wanted if each.clinic_id is not None}
    found = tx.execute(
        text(
            "SELECT company_id, NULL AS clinic_id, retired_at IS NOT NULL FROM companies "
            "WHERE company_id = ANY(:companies) UNION ALL "
            "SELECT company_id, clinic_id, retired_at IS NOT NULL FROM clinics "
            "WHERE company_id = ANY(:companies) AND clinic_id = ANY(:clinics)"
        ),
        {"companies": sorted(companies), "clinics": sorted(clinics)},
    )
    is_retired = {NamedClinic(company_id, clinic_id): retired for company_id, clinic_id, retired in found}
    if creates_unknown and not any(is_retired.values()):
        return {}
    refusals = {each: _refusal(each, is_retired, is_known=creates_unknown) for each in wanted}
    return {each: refusal for each, refusal in refusals.items() if refusal}


def share_lock(tx: Transaction) -> None:
    """Keep companies and clinics from being retired until the transaction ends. Locks: one advisory lock, shared."""
    acquire_shared(tx, AdvisoryLock.ADMISSION)


def _refusal(named: NamedClinic, is_retired: Mapping[NamedClinic, bool], *, is_known: bool) -> Refusal | None:
    """Return why an event is refused, or None. `is_known`: a company or clinic that is missing will be created."""
    company, clinic = NamedClinic(named.company_id, None), f"clinic {named.clinic_id}"
    if is_retired.get(company, not is_known):
        missing, retired = f"Billing has no company {named.company_id}", f"company {named.company_id} is retired"
        return Refusal(Reason.UNKNOWN_COMPANY, f"company_id: {retired if company in is_retired else missing}")
    if is_retired.get(named, not is_known):
        missing, retired = f"company {named.company_id} has no {clinic}", f"{clinic} is retired"
        return Refusal(Reason.UNKNOWN_CLINIC, f"clinic_id: {retired if named in is_retired else missing}")
    return None
