"""The business rules, written a second time for the tests: the expected Claims Feed and ledger.

It works on the JSON of the events and shares no code with Billing. A month closes between two parts of a run; events
within a part may arrive in any order and any number of times.
"""

from collections import defaultdict
from decimal import Decimal
from typing import Any, NamedTuple

Said = dict[str, Any]
Money = dict[tuple[str, str], Decimal]  # by deposit date and method
SENT, PENDING, NOT_SENT = "Transmission Successful", "Transmission Pending", "Not Sent"


class Row(NamedTuple):
    """A row of the Claims Feed."""

    version: int
    status: str
    reason: str | None


class Clinic(NamedTuple):
    """A clinic's settings."""

    company: str
    is_on: bool
    types: frozenset[str]


class Oracle:
    """All lines of all clinics, by their newest version."""

    def __init__(self, clinics: dict[str, Clinic]) -> None:
        self.clinics = clinics
        self.closed: set[str] = set()  # months, of every company
        self.event_ids: set[str] = set()
        self.patients: set[tuple[str, str]] = set()
        self.newest: dict[str, Said] = {}
        self.ledger: dict[str, Money] = defaultdict(dict)
        self.given_up: dict[str, Row] = {}

    def record(self, said: Said) -> None:
        """Record an event. Events may be recorded in any order."""
        if said["type"] == "patient.saved":
            self.patients.add((said["company_id"], said["patient_id"]))
            return
        self.event_ids.add(said["event_id"])
        key = _key(said)
        if key not in self.newest or said["version"] > self.newest[key]["version"]:
            # A deletion has no content; the last save determines which months it affects.
            self.newest[key] = said

    def record_unprocessable(self, said: Said) -> None:
        """Record an event that Billing cannot process in any attempt."""
        self.given_up[_key(said)] = Row(said["version"], NOT_SENT, "retries_exhausted")

    def settle(self) -> None:
        """Post what the newest versions require, in open months."""
        for key, said in self.newest.items():
            wanted = self._wanted(said)
            if wanted is None:
                continue
            days = {day for day, _ in (*self.ledger[key], *wanted)}
            if not any(day[:7] in self.closed for day in days):
                self.ledger[key] = wanted

    def close(self, month: str) -> None:
        """Close a month of every company, after all events so far."""
        self.settle()
        self.closed.add(month)

    def feed(self) -> dict[str, Row]:
        """Return the expected Claims Feed."""
        rows = {key: self._row(said) for key, said in self.newest.items()}
        return {key: row for key, row in rows.items() if row} | self.given_up

    def _wanted(self, said: Said) -> Money | None:
        """Return the expected posting of a line; None if the posted entries must stay as they are."""
        if said["type"] == "payment.deleted" or not said["paid"] or self._refused(said):
            return {}
        if Decimal(said["amount_due"]) == 0 or not self._knows_patient(said):
            return None
        return {(said["transaction_date"], said["method"]): Decimal(said["amount_paid"])}

    def _row(self, said: Said) -> Row | None:
        version = said["version"]
        if said["type"] == "payment.deleted":
            return Row(version, SENT, None)
        if not said["paid"]:
            return None  # never to be sent
        if reason := self._refused(said):
            return Row(version, NOT_SENT, reason)
        if Decimal(said["amount_due"]) == 0 or self._knows_patient(said):
            return Row(version, SENT, None)
        return Row(version, PENDING, None)

    def _refused(self, said: Said) -> str | None:
        clinic = self.clinics[said["clinic_id"]]
        if said["internal_payment"]:
            return "internal_payment"
        if not clinic.is_on:
            return "integration_off"
        return None if said["charge_type"] in clinic.types else "type_not_selected"

    def _knows_patient(self, said: Said) -> bool:
        return (said["company_id"], said["patient_id"]) in self.patients


def _key(said: Said) -> str:
    return "/".join((said["clinic_id"], said["payment_id"], said["line_id"]))
