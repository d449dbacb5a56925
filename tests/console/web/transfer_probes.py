"""Requests that ask for transfers of another company."""

from datetime import datetime
from typing import Any

from payments.contract.money import dollars
from payments.journeys import transferring
from payments.journeys.transferring import RepaymentTarget, TransferDraft, TransferRequest
from payments.store.db.connection import Transaction
from tests.console.web.entry_probes import PATIENT, USER

MOVED, SISTER = "61.93", "beta-sister"


def add_transfer(tx: Transaction, company: str, clinic: str, now: datetime) -> None:
    """Move credit of the company's patient to another patient."""
    source = RepaymentTarget(company_id=company, clinic_id=clinic, patient_id=PATIENT)
    draft = TransferDraft(SISTER, "beta-reason", dollars(MOVED))
    transferring.make(tx, TransferRequest("beta-transfer", draft, source), now, USER)


def transfer_probes(
    transfer_id: int, entry_id: int, key: str, place: tuple[str, str]
) -> dict[str, list[dict[str, Any]]]:
    """Return requests for the transfer of a company, by method and path. `place` is its company and its clinic."""
    company, clinic = place
    credit = {"company": company, "clinic": clinic, "patient": PATIENT}
    sources: list[dict[str, Any]] = [credit, {"payment": key}, {"entry": entry_id}]
    new = {"request_key": "beta-transfer", "amount": "1.00", "reason": "x", "to": "x"}
    of_transfer = {"transfer_id": transfer_id}
    return {
        "GET /api/transfers": [{"patient": PATIENT}, {"company": company}, {}],
        "POST /api/transfers": [{**new, **each} for each in sources],
        "GET /api/transfers/{transfer_id}": [of_transfer],
        "POST /api/transfers/{transfer_id}/undo": [{**of_transfer, "reason": "x"}],
        "GET /transfers": [{"patient": PATIENT}, {"company": company}, {}],
        "GET /transfers/new": [*sources, {"company": company, "patient": PATIENT}, {}],
        "POST /transfers": [{**new, **each} for each in sources],
        "GET /transfers/{transfer_id}": [of_transfer],
        "POST /transfers/{transfer_id}/undo": [{**of_transfer, "reason": "x"}],
    }
