"""Requests that ask for manual entries of another company."""

from datetime import UTC, datetime
from typing import Any

from payments.contract.event import Method
from payments.contract.money import dollars
from payments.journeys import linking, manual_entries
from payments.journeys.linking import LinkRequest, UnlinkRequest
from payments.journeys.manual_entries import EntryDraft, EntryPurpose, EntryRequest, LinkTarget
from payments.store.db.connection import Transaction

PATIENT, USER = "beta-patient", "user:beta-biller"
AMOUNT = "68.46"


def add_entry(tx: Transaction, company: str, clinic: str, now: datetime) -> None:
    """Post a manual entry to the account of the company's patient. It was linked to a payment for a while."""
    draft = EntryDraft(
        EntryPurpose.PAYMENT, dollars(AMOUNT), Method.CASH, company, clinic, PATIENT, reference="beta-check"
    )
    posted = manual_entries.post(tx, EntryRequest("beta-request", draft), now, USER)
    target = LinkTarget(payment=f"{company}:{clinic}/beta-open/1")
    linking.link(tx, LinkRequest(posted.entry.id, target), now, USER)
    linking.unlink(tx, UnlinkRequest(posted.entry.id, "another payment"), now, USER)


def entry_probes(entry_id: int, exception_id: int, key: str, place: tuple[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Return requests for the manual entry of a company, by method and path. `place` is its company and its clinic."""
    company, clinic = place
    new = {"kind": "payment", "amount": "68.46", "method": "Cash", "request_key": "beta-request"}
    named = {"company": company, "clinic": clinic, "patient": PATIENT}
    of_entry = {"entry_id": entry_id}
    today = str(datetime.now(UTC).date())
    form = {**new, "charge_type": "Copay", "deposit_date": today}
    return {
        "GET /api/entries": [{"patient": PATIENT}, {"patient": PATIENT, "company": company}],
        "POST /api/entries": [
            {**new, **named},
            {**new, **named, "request_key": "another", "deposit_date": today},
            {**new, "exception": exception_id},
            {**new, "payment": key, "request_key": "third"},
        ],
        "GET /api/entries/{entry_id}": [of_entry],
        "POST /api/entries/{entry_id}/reverse": [{**of_entry, "reason": "x"}],
        "POST /api/entries/{entry_id}/link": [{**of_entry, "exception": exception_id}, {**of_entry, "payment": key}],
        "POST /api/entries/{entry_id}/unlink": [{**of_entry, "reason": "x"}],
        "GET /entries/new": [{"exception": exception_id}, {"company": company, "patient": PATIENT}],
        "POST /entries": [{**form, **named}, {**form, "exception": exception_id, "request_key": "fourth"}],
        "GET /entries/{entry_id}": [of_entry],
        "POST /entries/{entry_id}/reverse": [{**of_entry, "reason": "x"}],
        "POST /entries/{entry_id}/link": [{**of_entry, "exception": exception_id}],
        "POST /entries/{entry_id}/unlink": [{**of_entry, "reason": "x"}],
    }
