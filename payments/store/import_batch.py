"""A batch of stream entries, parsed and grouped by event type. Rejected events are listed separately."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from payments.contract.errors import EventError
from payments.contract.event import ChargeSaved, Event, LineEvent, PatientSaved
from payments.contract.keys import ClinicKey
from payments.contract.stream_entry import StreamEntry, read_entry
from payments.core.import_stats import RunContext
from payments.core.outcome import Reason
from payments.store.feed.event_ids import EventKey, LineEventContent
from payments.store.ledger.admission import NamedClinic, Refusal
from payments.store.ledger.clinics import Clinic
from payments.store.ledger.patients import PatientKey


class ParsedLineEvent(NamedTuple):
    """A line event with its stream entry, its key, and its content hash.

    `requeued_at` is the time at which a user requeued it, None for a new entry.
    """

    entry: StreamEntry
    event: LineEvent
    event_key: EventKey
    content_hash: bytes
    requeued_at: datetime | None


class ImportBatch(NamedTuple):
    """Stream entries, parsed and grouped by event type. `known_clinics` holds the loaded clinics of these events."""

    lines: list[ParsedLineEvent]
    patients: list[tuple[StreamEntry, PatientSaved]]
    charges: list[tuple[StreamEntry, ChargeSaved]]
    rejected: list[tuple[StreamEntry, Reason, str]]
    known_clinics: dict[ClinicKey, Clinic]

    @property
    def events(self) -> list[tuple[StreamEntry, Event]]:
        """The valid events, with their stream entries."""
        return [*((each.entry, each.event) for each in self.lines), *self.patients, *self.charges]

    @property
    def content_by_event(self) -> dict[EventKey, LineEventContent]:
        """The save time and the content hash of each line event. If events have the same id, the first one counts."""
        return {
            each.event_key: LineEventContent(each.event.saved_at, each.content_hash) for each in reversed(self.lines)
        }

    @property
    def clinics(self) -> set[ClinicKey]:
        """The keys of the clinics of the payments and charges."""
        return {each.event.clinic_key for each in self.lines} | {event.clinic_key for _, event in self.charges}

    @property
    def named_clinics(self) -> set[NamedClinic]:
        """The clinics of the payments and charges, and the companies of the saved patients."""
        return {NamedClinic(*key) for key in self.clinics} | {clinic_of(event) for _, event in self.patients}

    @property
    def referenced_patients(self) -> set[PatientKey]:
        """The keys of the patients of the payments and charges."""
        events = (*(each.event for each in self.lines), *(event for _, event in self.charges))
        return {(event.company_id, event.patient_id) for event in events}

    @property
    def saved_patients(self) -> set[PatientKey]:
        """The keys of the patients of the `patient.saved` events."""
        return {(event.company_id, event.patient_id) for _, event in self.patients}

    def without_refused(self, refused: Mapping[NamedClinic, Refusal]) -> "ImportBatch":
        """Return a batch in which the events of these refused companies and clinics are among the rejected events."""
        if not refused:
            return self
        refusals = [(entry, refused.get(clinic_of(event))) for entry, event in self.events]
        return self._replace(
            lines=[each for each in self.lines if clinic_of(each.event) not in refused],
            patients=[each for each in self.patients if clinic_of(each[1]) not in refused],
            charges=[each for each in self.charges if clinic_of(each[1]) not in refused],
            rejected=self.rejected + [(entry, *refusal) for entry, refusal in refusals if refusal],
        )


def read_batch(entries: Sequence[StreamEntry], run: RunContext, requeued_at: datetime | None = None) -> ImportBatch:
    """Parse stream entries, and return them as a batch. Invalid entries are among its rejected entries.

    `requeued_at` is the time at which a user requeued the entries, None for new entries.
    """
    batch = ImportBatch([], [], [], [], {})
    for entry in entries:
        try:
            event = read_entry(entry, run.keyring)
        except EventError as error:
            batch.rejected.append((entry, Reason.INVALID_EVENT, str(error)))
            continue
        match event:
            case PatientSaved():
                batch.patients.append((entry, event))
            case ChargeSaved():
                batch.charges.append((entry, event))
            case _:
                batch.lines.append(
                    ParsedLineEvent(entry, event, (event.company_id, event.event_id), event.content_hash, requeued_at)
                )
    return batch


def clinic_of(event: Event) -> NamedClinic:
    """Return the company and the clinic that an event names."""
    return NamedClinic(event.company_id, None if isinstance(event, PatientSaved) else event.clinic_id)
