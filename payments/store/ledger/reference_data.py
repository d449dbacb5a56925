"""Reference data for a batch: clinics with their settings, patients and months, loaded in a few round trips."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from payments.contract.event import ChargeSaved, LineEvent, PaymentSaved
from payments.core.import_rule import ImportContext
from payments.core.import_stats import RunContext
from payments.core.line import Line
from payments.core.month import Month, MonthState
from payments.store.db.connection import Transaction
from payments.store.ledger import clinics, months
from payments.store.ledger.clinics import Clinic
from payments.store.ledger.patients import PatientKey


class LookupScope(NamedTuple):
    """The reference data that one line or event needs: its clinic, and the dates whose months matter (rule D3)."""

    company_id: str
    clinic_id: str
    days: frozenset[date] = frozenset()

    @classmethod
    def of_line(cls, line: Line) -> "LookupScope":
        """Return the scope of a line: its transaction date and the deposit dates of its postings."""
        days = {posting.dimensions.deposit_date for posting in line.postings}
        if line.content:
            days.add(line.content.transaction_date)
        return cls(line.company_id, line.key.clinic_id, frozenset(days))

    @classmethod
    def of_event(cls, event: LineEvent | ChargeSaved) -> "LookupScope":
        """Return the lookup scope of an event. Only the scope of a payment has a date: the transaction date."""
        days = {event.transaction_date} if isinstance(event, PaymentSaved) else ()
        return cls(event.company_id, event.clinic_id, frozenset(days))


@dataclass(frozen=True, slots=True)
class ReferenceData:
    """Clinics by id, patients who are in Billing, month states by company, and today's date by clinic.

    The months stay share-locked until the commit.
    """

    run: RunContext
    clinics: dict[str, Clinic]
    known_patients: set[PatientKey]
    months: dict[str, dict[Month, MonthState]]
    local_dates: dict[str, date]

    def owner(self, clinic_id: str) -> str:
        """Return the company that owns a clinic."""
        return self.clinics[clinic_id].company_id

    def import_context(self, clinic_id: str, patient_id: str, settings_as_of: datetime) -> ImportContext:
        """Return the context for evaluating one line, with the clinic's settings as of a moment."""
        clinic = self.clinics[clinic_id]
        return ImportContext(
            now=self.run.now,
            backoff_schedule=self.run.backoff_schedule,
            patient_schedule=self.run.patient_schedule,
            settings=clinic.settings_at(settings_as_of),
            patient_known=(clinic.company_id, patient_id) in self.known_patients,
            months=self.months.get(clinic.company_id),
        )

    def posting_date(self, clinic_id: str) -> date:
        """Return the posting date of entries posted now: today in the company's time zone (rule D1)."""
        return self.local_dates[clinic_id]


def load_reference_data(
    tx: Transaction, scopes: Iterable[LookupScope], run: RunContext, known_patients: set[PatientKey] | None = None
) -> ReferenceData:
    """Load the reference data of these scopes. Missing clinics and companies are created.

    A new clinic belongs to the company that names it first. `known_patients` are the patients in Billing, as
    `patients.lock` returned them. Locks: the months FOR SHARE, as `months.share_lock` does.
    """
    needed = list(scopes)
    owners = {scope.clinic_id: scope.company_id for scope in reversed(needed)}
    found = clinics.load(tx, owners)
    missing = {clinic_id: owner for clinic_id, owner in owners.items() if clinic_id not in found}
    if missing:
        clinics.create(tx, sorted(missing.items()), run.default_timezone)
        found |= clinics.load(tx, missing)
    states: dict[str, dict[Month, MonthState]] = defaultdict(dict)
    locked = months.share_lock(tx, {(scope.company_id, Month.of(day)) for scope in needed for day in scope.days})
    for (company_id, month), state in locked.items():
        states[company_id][month] = state
    return ReferenceData(
        run=run,
        clinics=found,
        known_patients=known_patients or set(),
        months=states,
        local_dates={
            clinic.clinic_id: run.now.astimezone(ZoneInfo(clinic.timezone)).date() for clinic in found.values()
        },
    )
