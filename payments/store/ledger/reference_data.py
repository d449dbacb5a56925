"""All that judging a set of lines needs to know, loaded in a few round trips and held still until the commit."""

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
    """What a line or event is about: the clinic, and the days whose months matter."""

    company_id: str
    clinic_id: str
    days: frozenset[date] = frozenset()

    @classmethod
    def of(cls, line: Line) -> "LookupScope":
        """Return what a line is about, as it stands."""
        days = {posting.dimensions.deposit_date for posting in line.postings}
        if line.content:
            days.add(line.content.transaction_date)
        return cls(line.company_id, line.key.clinic_id, frozenset(days))

    @classmethod
    def of_event(cls, event: LineEvent | ChargeSaved) -> "LookupScope":
        """Return what an event is about."""
        days = {event.transaction_date} if isinstance(event, PaymentSaved) else ()
        return cls(event.company_id, event.clinic_id, frozenset(days))


@dataclass(frozen=True, slots=True)
class ReferenceData:
    """The facts about all clinics, patients and months that a set of lines concerns."""

    run: RunContext
    clinics: dict[str, Clinic]
    known_patients: set[PatientKey]
    months: dict[str, dict[Month, MonthState]]
    days: dict[str, date]

    def owner(self, clinic_id: str) -> str:
        """Return the company that a clinic belongs to."""
        return self.clinics[clinic_id].company_id

    def facts(self, clinic_id: str, patient_id: str, settings_as_of: datetime) -> ImportContext:
        """Return the facts for judging one line, with the settings that were in force at a moment."""
        clinic = self.clinics[clinic_id]
        return ImportContext(
            now=self.run.now,
            backoff_schedule=self.run.backoff_schedule,
            patient_schedule=self.run.patient_schedule,
            settings=clinic.settings_at(settings_as_of),
            patient_known=(clinic.company_id, patient_id) in self.known_patients,
            months=self.months.get(clinic.company_id),
        )

    def today(self, clinic_id: str) -> date:
        """Return the posting date of now: the company's own day."""
        return self.days[clinic_id]


def load_reference_data(
    tx: Transaction, concerns: Iterable[LookupScope], run: RunContext, known_patients: set[PatientKey] | None = None
) -> ReferenceData:
    """Load the facts for these concerns; companies and clinics that are new come into being.

    `known_patients` are those that Billing knows, held by this transaction.
    """
    concerned = list(concerns)
    # A new clinic belongs to the company that names it first.
    owners = {concern.clinic_id: concern.company_id for concern in reversed(concerned)}
    found = clinics.load(tx, owners)
    missing = {clinic_id: owner for clinic_id, owner in owners.items() if clinic_id not in found}
    if missing:
        clinics.create(tx, sorted(missing.items()))
        found |= clinics.load(tx, missing)
    states: dict[str, dict[Month, MonthState]] = defaultdict(dict)
    held = months.hold(tx, {(concern.company_id, Month.of(day)) for concern in concerned for day in concern.days})
    for (company_id, month), state in held.items():
        states[company_id][month] = state
    return ReferenceData(
        run=run,
        clinics=found,
        known_patients=known_patients or set(),
        months=states,
        days={clinic.clinic_id: run.now.astimezone(ZoneInfo(clinic.timezone)).date() for clinic in found.values()},
    )
