"""Requests that ask for exceptions and notes of another company."""

from datetime import datetime
from typing import Any

from payments.journeys import noting
from payments.journeys.noting import NewNote, NoteSubject
from payments.store.db.connection import Transaction

PATIENT, USER = "beta-patient", "beta-biller"


def add_note(tx: Transaction, company: str, now: datetime) -> None:
    """Add a note on the account of the company's patient."""
    note = NewNote(NoteSubject(company, patient_id=PATIENT), "Beatrix called.", PATIENT)
    noting.add_note(tx, note, now, f"user:{USER}")


def exception_probes(exception_id: int, keys: list[str], company: str) -> dict[str, list[dict[str, Any]]]:
    """Return requests for an exception and for notes on a company's payments and patient, by method and path."""
    version = [{"version": 2, "reason": "x"}]
    about: list[dict[str, Any]] = [{"payment": key} for key in keys]
    about += [{"patient": PATIENT}, {"patient": PATIENT, "company": company}]
    return {
        "GET /api/exceptions/{exception_id}": [{}],
        "POST /exceptions/{exception_id}/accept": version,
        "POST /api/exceptions/{exception_id}/accept": [{"version": 2}],
        "POST /exceptions/{exception_id}/acknowledge": version,
        "POST /api/exceptions/{exception_id}/acknowledge": version,
        "GET /exceptions/{exception_id}": [{}],
        "POST /exceptions/{exception_id}/undo": [{"reason": "x"}],
        "POST /exceptions/{exception_id}/assign": [{"owner": USER}],
        "POST /exceptions/{exception_id}/note": [{"text": "x"}],
        "POST /exceptions/next": [{"back": f"/exceptions?company={company}"}],
        "POST /exceptions/selected": [{"exception": f"{exception_id}.2"}],
        "POST /exceptions/matching": [{"action": "accept", "back": f"/exceptions?company={company}"}],
        "POST /exceptions/decide": [{"exception": f"{exception_id}.2", "action": "accept"}],
        "POST /api/exceptions/{exception_id}/undo": [{"reason": "x"}],
        "POST /api/exceptions/{exception_id}/assign": [{"owner": USER}, {"owner": None}],
        "POST /api/exceptions/{exception_id}/note": [{"text": "x"}],
        "POST /api/exceptions/next": [{"company": company}],
        "GET /api/notes": about,
        "POST /api/notes": [{**each, "text": "x"} for each in about],
        "POST /notes": [{**each, "text": "x"} for each in about],
    }
