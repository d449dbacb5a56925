"""Requests that ask for exceptions and notes of another company."""

from typing import Any


def exception_probes(exception_id: int, keys: list[str], company: str) -> dict[str, list[dict[str, Any]]]:
    """Return requests for an exception, and for notes on payments and a patient of a company, by method and path."""
    version = [{"version": 2, "reason": "x"}]
    patient, user = "beta-patient", "beta-biller"
    about: list[dict[str, Any]] = [{"payment": key} for key in keys]
    about += [{"patient": patient}, {"patient": patient, "company": company}]
    return {
        "GET /api/exceptions/{exception_id}": [{}],
        "POST /exceptions/{exception_id}/accept": version,
        "POST /api/exceptions/{exception_id}/accept": [{"version": 2}],
        "POST /exceptions/{exception_id}/acknowledge": version,
        "POST /api/exceptions/{exception_id}/acknowledge": version,
        "POST /exceptions/accept": [{"exception": f"{exception_id}.2"}],
        "POST /api/exceptions/{exception_id}/undo": [{"reason": "x"}],
        "POST /api/exceptions/{exception_id}/assign": [{"owner": user}, {"owner": None}],
        "POST /api/exceptions/{exception_id}/note": [{"text": "x"}],
        "POST /api/exceptions/next": [{"company": company}],
        "GET /api/notes": about,
        "POST /api/notes": [{**each, "text": "x"} for each in about],
    }
