"""A second implementation of the business rules. It computes the expected Claims Feed and ledger.

The oracle works on the JSON of the events and shares no code with Billing. Events may arrive in any order and more than
once. `Oracle.close` expects that Billing has imported all events that were recorded before.
"""

from collections import defaultdict
from decimal import Decimal
from typing import Any, NamedTuple

EventFields = dict[str, Any]
Money = dict[tuple[str, str], Decimal]  # by deposit date and method
SENT, PENDING, NOT_SENT = "Transmission Successful", "Transmission Pending", "Not Sent"


class ExpectedFeedRow(NamedTuple):
    """An expected row of the Claims Feed."""

    version: int
    status: str
    reason: str | None


class OracleClinic(NamedTuple):
    """The settings of a clinic."""

    company: str
    is_on: bool
    types: frozenset[str]


class Oracle:
    """The newest version of each line of all clinics, and the Claims Feed and ledger expected from them."""

    def __init__(self, clinics: dict[str, OracleClinic]) -> None:
        self.clinics = clinics
        self.closed: set[str] = set()  # months, of every company
        self.event_ids: set[str] = set()
        self.patients: set[tuple[str, str]] = set()
        self.newest: dict[str, EventFields] = {}
        self.ledger: dict[str, Money] = defaultdict(dict)
        self.exhausted: dict[str, ExpectedFeedRow] = {}

    def record(self, event: EventFields) -> None:
        """Record an event. Events may be recorded in any order."""
        if event["type"] == "patient.saved":
            self.patients.add((event["company_id"], event["patient_id"]))
            return
        self.event_ids.add(event["event_id"])
        key = _key(event)
        if key not in self.newest or event["version"] > self.newest[key]["version"]:
            # A deletion has no content; the last save determines which months it affects.
            self.newest[key] = event

    def record_unprocessable(self, event: EventFields) -> None:
        """Record an event that fails in every attempt of Billing to import it."""
        self.exhausted[_key(event)] = ExpectedFeedRow(event["version"], NOT_SENT, "retries_exhausted")

    def post_newest_versions(self) -> None:
        """Post the newest version of each line. Skip a line if a month of its old or new entries is closed."""
        for key, event in self.newest.items():
            wanted = self._expected_amounts(event)
            if wanted is None:
                continue
            days = {day for day, _ in (*self.ledger[key], *wanted)}
            if not any(day[:7] in self.closed for day in days):
                self.ledger[key] = wanted

    def close(self, month: str) -> None:
        """Close a month of every company, after posting all events recorded so far."""
        self.post_newest_versions()
        self.closed.add(month)

    def claims_feed(self) -> dict[str, ExpectedFeedRow]:
        """Return the expected Claims Feed."""
        rows = {key: self._feed_row(event) for key, event in self.newest.items()}
        return {key: row for key, row in rows.items() if row} | self.exhausted

    def _expected_amounts(self, event: EventFields) -> Money | None:
        """Return the expected amounts of a line, or None if its posted entries must not change."""
        if event["type"] == "payment.deleted" or not event["paid"] or self._exclusion_reason(event):
            return {}
        if Decimal(event["amount_due"]) == 0 or not self._is_patient_known(event):
            return None
        return {(event["transaction_date"], event["method"]): Decimal(event["amount_paid"])}

    def _feed_row(self, event: EventFields) -> ExpectedFeedRow | None:
        version = event["version"]
        if event["type"] == "payment.deleted":
            return ExpectedFeedRow(version, SENT, None)
        if not event["paid"]:
            return None  # never to be sent
        if reason := self._exclusion_reason(event):
            return ExpectedFeedRow(version, NOT_SENT, reason)
        if Decimal(event["amount_due"]) == 0 or self._is_patient_known(event):
            return ExpectedFeedRow(version, SENT, None)
        return ExpectedFeedRow(version, PENDING, None)

    def _exclusion_reason(self, event: EventFields) -> str | None:
        clinic = self.clinics[event["clinic_id"]]
        if event["internal_payment"]:
            return "internal_payment"
        if not clinic.is_on:
            return "integration_off"
        return None if event["charge_type"] in clinic.types else "type_not_selected"

    def _is_patient_known(self, event: EventFields) -> bool:
        return (event["company_id"], event["patient_id"]) in self.patients


def _key(event: EventFields) -> str:
    return "/".join((event["clinic_id"], event["payment_id"], event["line_id"]))
