"""Requests that ask for refunds of another company."""

from datetime import datetime
from typing import Any

from payments.contract.event import Method
from payments.contract.money import dollars
from payments.journeys import repaying
from payments.journeys.repaying import RepaymentDraft, RepaymentKind, RepaymentRequest, RepaymentTarget
from payments.store.db.connection import Transaction
from tests.console.web.entry_probes import PATIENT, USER

REFUNDED = "63.17"


def add_refund(tx: Transaction, company: str, clinic: str, now: datetime) -> None:
    """Request a refund of the credit of the company's patient."""
    target = RepaymentTarget(company_id=company, clinic_id=clinic, patient_id=PATIENT)
    draft = RepaymentDraft(RepaymentKind.REFUND, dollars(REFUNDED), "beta-reason", Method.CHECK)
    repaying.request(tx, RepaymentRequest("beta-refund", draft, target), now, USER)


def refund_probes(refund_id: int, entry_id: int, key: str, place: tuple[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Return requests for the refund of a company, by method and path. `place` is its company and its clinic."""
    company, clinic = place
    credit = {"company": company, "clinic": clinic, "patient": PATIENT}
    targets: list[dict[str, Any]] = [credit, {"payment": key}, {"entry": entry_id}]
    new = {"request_key": "beta-refund", "kind": "refund", "amount": "1.00", "reason": "x", "method": "Check"}
    of_refund = {"refund_id": refund_id}
    return {
        "GET /api/refunds": [{"patient": PATIENT}, {"company": company}, {}],
        "POST /api/refunds": [{**new, **each} for each in targets],
        "GET /api/refunds/{refund_id}": [of_refund],
        "POST /api/refunds/{refund_id}/approve": [of_refund],
        "POST /api/refunds/{refund_id}/issue": [{**of_refund, "reference": "x"}],
        "POST /api/refunds/{refund_id}/void": [{**of_refund, "reason": "x"}],
        "GET /refunds": [{"patient": PATIENT}, {"company": company}, {}],
        "GET /refunds/new": [*targets, {"company": company, "patient": PATIENT}, {}],
        "POST /refunds": [{**new, **each} for each in targets],
        "GET /refunds/{refund_id}": [of_refund],
        "POST /refunds/{refund_id}/approve": [of_refund],
        "POST /refunds/{refund_id}/issue": [{**of_refund, "reference": "x"}],
        "POST /refunds/{refund_id}/void": [{**of_refund, "reason": "x"}],
    }
