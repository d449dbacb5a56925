"""Admission: whether events may name a company and a clinic. The check runs before an event inserts any row."""

from collections.abc import Iterable
from typing import NamedTuple

from payments.core.outcome import Reason
from payments.store.db.connection import Transaction
from payments.store.db.statement import text


class NamedClinic(NamedTuple):
    """The company and the clinic that an event names. A saved patient names no clinic."""

    company_id: str
    clinic_id: str | None


class Refusal(NamedTuple):
    """Why an event is Not Sent, with the id that Billing does not have."""

    reason: Reason
    error: str


def refused(tx: Transaction, named: Iterable[NamedClinic], *, creates_unknown: bool) -> dict[NamedClinic, Refusal]:
    """Return the companies and clinics that Billing does not have; events that name them are Not Sent.

    With `creates_unknown` none is refused, because an import creates them. Takes no locks.
    """
    wanted = set(named)
    if creates_unknown or not wanted:
        return {}
    companies = {each.company_id for each in wanted}
    clinics = {each.clinic_id for each in wanted if each.clinic_id is not None}
    found = tx.execute(
        text(
            "SELECT company_id, NULL AS clinic_id FROM companies WHERE company_id = ANY(:companies) "
            "UNION ALL SELECT company_id, clinic_id FROM clinics "
            "WHERE company_id = ANY(:companies) AND clinic_id = ANY(:clinics)"
        ),
        {"companies": sorted(companies), "clinics": sorted(clinics)},
    )
    known = {NamedClinic(*row) for row in found}
    return {each: refusal for each in wanted if (refusal := _refusal(each, known))}


def _refusal(named: NamedClinic, known: set[NamedClinic]) -> Refusal | None:
    if NamedClinic(named.company_id, None) not in known:
        return Refusal(Reason.UNKNOWN_COMPANY, f"company_id: Billing has no company {named.company_id}")
    if named not in known:
        return Refusal(Reason.UNKNOWN_CLINIC, f"clinic_id: company {named.company_id} has no clinic {named.clinic_id}")
    return None
