"""Reference data for a batch: clinics with their settings, patients and months, loaded in a few round trips."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from payments.contract.event import ChargeSaved, LineEvent, PaymentSaved
from payments.contract.keys import ClinicKey
from payments.core.import_rule import ImportContext
from payments.core.import_stats import RunContext
from payments.core.line import Line
from payments.core.month import Month, MonthState
from payments.store.db.connection import Transaction
from payments.store.db.pipeline import fetch_together
from payments.store.ledger import clinics, lines, months
from payments.store.ledger.clinics import Clinic
from payments.store.ledger.patients import PatientKey


class LookupScope(NamedTuple):
    """The keys of the reference data for a line or event: its clinic, and the dates of the needed months (rule D3)."""

    clinic: ClinicKey
    days: frozenset[date] = frozenset()

    @classmethod
    def of_line(cls, line: Line) -> "LookupScope":
        """Return the lookup scope of a line: its clinic, its transaction date and the deposit dates of its postings."""
        days = {posting.dimensions.deposit_date for posting in line.postings}
        if line.content:
            days.add(line.content.transaction_date)
        return cls(line.key.clinic, frozenset(days))

    @classmethod
    def of_event(cls, event: LineEvent | ChargeSaved) -> "LookupScope":
        """Return the lookup scope of an event. Only the scope of a payment has a date: the transaction date."""
        days = {event.transaction_date} if isinstance(event, PaymentSaved) else ()
        return cls(event.clinic_key, frozenset(days))


@dataclass(frozen=True, slots=True)
class ReferenceData:
    """The clinics, the known patients, the month states, and each company's current date.

    The months stay share-locked until the commit. `reserved_ids` are row ids for new lines.
    """

    run: RunContext
    clinics: Mapping[ClinicKey, Clinic]
    known_patients: set[PatientKey]
    months: dict[str, dict[Month, MonthState]]
    local_dates: dict[str, date]
    reserved_ids: Sequence[int] = ()

    def with_patients(self, known: set[PatientKey]) -> "ReferenceData":
        """Return these data with the patients whom Billing knows, from `patients.lock`."""
        return replace(self, known_patients=known)

    def import_context(self, key: ClinicKey, patient_id: str, settings_as_of: datetime) -> ImportContext:
        """Return the context for evaluating one line. `settings_as_of` is the moment whose clinic settings apply."""
        clinic = self.clinics[key]
        return ImportContext(
            now=self.run.now,
            backoff_schedule=self.run.backoff_schedule,
            patient_schedule=self.run.patient_schedule,
            settings=clinic.settings_at(settings_as_of),
            patient_known=(key.company_id, patient_id) in self.known_patients,
            months=self.months.get(key.company_id),
        )

    def posting_date(self, company_id: str) -> date:
        """Return the posting date of entries posted now: today in the company's time zone (rule D1)."""
        return self.local_dates[company_id]


def load_reference_data(
    tx: Transaction,
    scopes: Iterable[LookupScope],
    run: RunContext,
    loaded_clinics: Mapping[ClinicKey, Clinic] | None = None,
    *,
    new_lines: int = 0,
) -> ReferenceData:
    """Load the reference data of these scopes. Their clinics must exist.

    The patients are missing: see `with_patients`. `loaded_clinics` are the clinics of the scopes, if the caller has
    loaded them. Row ids for `new_lines` lines are reserved. Locks: the months FOR SHARE, as `months.share_lock` does.
    """
    needed = list(scopes)
    found = clinics.load(tx, {scope.clinic for scope in needed}) if loaded_clinics is None else loaded_clinics
    states: dict[str, dict[Month, MonthState]] = defaultdict(dict)
    keys = sorted({(scope.clinic.company_id, Month.of(day)) for scope in needed for day in scope.days})
    locked, dates, reserved_ids = fetch_together(
        tx, months.share_lock_query(keys), months.lock_dates_query(keys), lines.reserve_query(new_lines)
    )
    for (company_id, month), state in months.insert_missing(tx, keys, locked, dates).items():
        states[company_id][month] = state
    return ReferenceData(
        run=run,
        clinics=found,
        known_patients=set(),
        months=states,
        local_dates={
            key.company_id: run.now.astimezone(ZoneInfo(clinic.timezone)).date() for key, clinic in found.items()
        },
        reserved_ids=reserved_ids,
    )
