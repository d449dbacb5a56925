"""Admission: decide, before anything is written, whether the events of a company and clinic are imported or refused.

An event is refused if its company or clinic is retired, if its company has moved to another installation, or if the
company is still being imported from another installation. With `PAYMENTS_UNKNOWN_COMPANIES=refuse`, an event of an
unknown company or clinic is refused as well.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from payments.contract.keys import ClinicKey
from payments.core.company_move import MoveState
from payments.core.outcome import Reason
from payments.store.db.advisory_locks import AdvisoryLock, acquire_shared_query
from payments.store.db.conditions import HAS_MOVED
from payments.store.db.connection import Transaction
from payments.store.db.pipeline import Query, fetch
from payments.store.db.statement import text
from payments.store.ledger.clinics import Clinic

_MISSING_PROBLEM = "missing"
_PREDICATE_BY_PROBLEM = {
    "retired": "is retired",
    MoveState.LEFT: "has moved to another installation; publish the event there",
    MoveState.ARRIVING: "is being imported; requeue the event when the import has finished",
}


class NamedClinic(NamedTuple):
    """The company and the clinic that an event names. `clinic_id` is None for a `patient.saved` event."""

    company_id: str
    clinic_id: str | None


class Refusal(NamedTuple):
    """The reason why an event is Not Sent, and the error message, which names the refused id."""

    reason: Reason
    error: str


def find_refused(
    tx: Transaction, named: Iterable[NamedClinic], loaded: Mapping[ClinicKey, Clinic], *, creates_unknown: bool
) -> dict[NamedClinic, Refusal]:
    """Return which of the named companies and clinics are refused, with the reason. Their events are Not Sent.

    `loaded` holds the named clinics that exist. With `creates_unknown`, unknown companies and clinics are not refused,
    because an import creates them. Call `share_lock` before the clinics are loaded.
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
            f"SELECT company_id, NULL AS clinic_id, CASE WHEN {HAS_MOVED} THEN move_state "
            "WHEN retired_at IS NOT NULL THEN 'retired' END FROM companies "
            "WHERE company_id = ANY(:companies) UNION ALL "
            "SELECT company_id, clinic_id, CASE WHEN retired_at IS NOT NULL THEN 'retired' END FROM clinics "
            "WHERE company_id = ANY(:companies) AND clinic_id = ANY(:clinics)"
        ),
        {"companies": sorted(companies), "clinics": sorted(clinics)},
    )
    problems = {NamedClinic(company_id, clinic_id): problem for company_id, clinic_id, problem in found}
    if creates_unknown and not any(problems.values()):
        return {}
    refusals = {each: _find_refusal(each, problems, creates_unknown=creates_unknown) for each in wanted}
    return {each: refusal for each, refusal in refusals.items() if refusal}


def share_lock(tx: Transaction) -> None:
    """Prevent companies and clinics from being retired or moved until the transaction ends.

    Locks: one advisory lock, shared.
    """
    fetch(tx, share_lock_query())


def share_lock_query() -> Query[None]:
    """Return the query of `share_lock`."""
    return acquire_shared_query(AdvisoryLock.ADMISSION)


def _find_refusal(
    named: NamedClinic, problems: Mapping[NamedClinic, str | None], *, creates_unknown: bool
) -> Refusal | None:
    """Return the refusal of an event, or None if it is not refused.

    `problems` maps the named companies and clinics that exist in Billing to the problem for which their events are
    refused, or to None.
    """
    missing = None if creates_unknown else _MISSING_PROBLEM
    company, clinic = f"company {named.company_id}", f"clinic {named.clinic_id}"
    if problem := problems.get(NamedClinic(named.company_id, None), missing):
        return Refusal(Reason.UNKNOWN_COMPANY, f"company_id: {_refusal_sentence(problem, 'Billing', company)}")
    if problem := problems.get(named, missing):
        return Refusal(Reason.UNKNOWN_CLINIC, f"clinic_id: {_refusal_sentence(problem, company, clinic)}")
    return None


def _refusal_sentence(problem: str, owner: str, subject: str) -> str:
    return f"{owner} has no {subject}" if problem == _MISSING_PROBLEM else f"{subject} {_PREDICATE_BY_PROBLEM[problem]}"
