"""Import saved payments into the billing ledger. Each one is posted, held, or marked Not Sent with a reason.

One transaction handles a whole chunk; the caller opens and commits it. Locks are taken in this order: new clinics,
patients, lines, charges, company months.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from payments.contract.event import ChargeSaved, PatientSaved
from payments.contract.keys import ChargeKey, LineKey
from payments.contract.stream_entry import StreamEntry, named_company
from payments.core.charge import ChargeVersion, check_charge_version, recorded_version
from payments.core.due_selection import DueSelection
from payments.core.history import NoEffectCause
from payments.core.import_rule import decide
from payments.core.import_stats import ImportStats, RunContext
from payments.core.line import Line
from payments.core.outcome import Reason
from payments.core.patient import PatientVersion, check_patient_version
from payments.core.version_check import VersionCheck, check_version
from payments.store.db.connection import Transaction
from payments.store.db.pipeline import fetch_together
from payments.store.feed import dead_letters, event_ids
from payments.store.feed.event_ids import EventKey, LineEventContent
from payments.store.import_batch import ImportBatch, ParsedLineEvent, read_batch
from payments.store.ledger import (
    admission,
    charges,
    clinic_owners,
    clinics,
    company_moves,
    lines,
    patients,
    waiting_lines,
)
from payments.store.ledger.admission import NamedClinic, Refusal
from payments.store.ledger.patients import LockedPatients, PatientKey
from payments.store.ledger.reference_data import LookupScope, load_reference_data
from payments.store.write_batch import WriteBatch


def import_events(tx: Transaction, entries: Sequence[StreamEntry], run: RunContext) -> ImportStats:
    """Import stream entries. Each entry is imported, held, marked Not Sent or stored as a dead letter.

    Raises ConcurrentWriteError, or an error of the database. The transaction then has no effect and can be repeated.
    """
    return _process(tx, *_admit(tx, read_batch(entries, run), run), run)


def replay_events(tx: Transaction, entries: Sequence[StreamEntry], run: RunContext) -> ImportStats:
    """Import acknowledged entries again, because their commits may be lost. Payments that Billing has are not changed.

    Two kinds of entries are omitted: entries that are stored as dead letters, open or closed, and entries of companies
    that have moved to another installation. All others are imported like new entries. Raises the errors of
    `import_events`.
    """
    moved = company_moves.moved_companies(tx)
    missing = [
        entry
        for entry in dead_letters.unstored_entries(tx, entries, run.keyring)
        if named_company(entry.body) not in moved
    ]
    return import_events(tx, missing, replace(run, is_replay=True)) if missing else ImportStats()


def retry_dead_letters(tx: Transaction, run: RunContext, selection: DueSelection) -> ImportStats:
    """Process requeued dead letters again. If another transaction is retrying dead letters, do nothing.

    Sets `selection.selected` to the ids of the dead letters. Dead letters are locked last, as in an import. Raises the
    errors of `import_events`.
    """
    letters = dead_letters.select_due(tx, run.now, selection)
    selection.selected = [letter.id for letter in letters]
    if not letters:
        return ImportStats()
    batch = read_batch([letter.entry for letter in letters], run, requeued_at=run.now)
    return _process(tx, *_admit(tx, batch, run), run, closing=selection.selected)


def _admit(tx: Transaction, batch: ImportBatch, run: RunContext) -> tuple[ImportBatch, set[PatientKey]]:
    """Reject the events of refused companies and clinics. Return the other events as a batch, with their clinics.

    Also return which patients of the payments and charges Billing knows.

    Missing clinics are created. The check comes before any write, so a refused event adds no row but its dead letter.
    Takes a shared advisory lock, so that no company or clinic is retired before the transaction ends.
    """
    _, found, known = fetch_together(
        tx,
        admission.share_lock_query(),
        clinics.load_query(batch.clinics),
        patients.known_query(batch.referenced_patients),
    )
    admitted = batch.without_refused(
        admission.find_refused(tx, batch.named_clinics, found, creates_unknown=run.creates_unknown)
    )
    missing = admitted.clinics - set(found)
    found |= clinics.create(tx, missing, run.default_timezone)
    taken = {
        NamedClinic(*key): Refusal(Reason.INVALID_EVENT, f"company_id: {clinic_owners.refusal_message(key.clinic_id)}")
        for key in missing - set(found)
    }
    return admitted.without_refused(taken)._replace(known_clinics=found), known


def _process(
    tx: Transaction, batch: ImportBatch, known: set[PatientKey], run: RunContext, closing: Sequence[int] = ()
) -> ImportStats:
    """Apply the import rule to the versions of each line in order, and write the results.

    `known` are the patients whom Billing knows. `closing` holds the ids of the dead letters that the batch retries.
    """
    seen, held, (known, waiting, conflicting, changed) = _record_and_lock(tx, batch, known, run, is_retry=bool(closing))
    released = waiting_lines.make_due(tx, (held[key] for key in waiting if key in held), run.now)
    before = {each.event.key: held[each.event.key] for each in batch.lines if each.event.key in held}
    concerns = [*map(LookupScope.of_line, before.values()), *(LookupScope.of_event(each.event) for each in batch.lines)]
    concerns += [LookupScope.of_event(event) for _, event in batch.charges]
    new_lines = len({each.event.key for each in batch.lines} - held.keys())
    reference = load_reference_data(tx, concerns, run, batch.known_clinics, new_lines=new_lines)
    reference = reference.with_patients(known | batch.saved_patients)
    writes = WriteBatch(run, reference, before)
    content_by_event, done = batch.content_by_event | seen, set(seen)
    for each in sorted(batch.lines, key=lambda each: (each.event.key, each.event.version)):
        if each.content_hash == content_by_event[each.event_key].content_hash:
            _import_line_event(writes, each, again=each.event_key in done)
            done.add(each.event_key)
        else:
            conflict = f"event_id: {each.event.event_id} was already received with different content"
            writes.reject(each.entry, Reason.VERSION_CONFLICT, conflict)
    _record_charges(writes, batch.charges, charges.lock(tx, (event.key for _, event in batch.charges)))
    for entry, conflict in conflicting:
        writes.reject(entry, Reason.VERSION_CONFLICT, conflict)
    for entry, reason, error in batch.rejected:
        writes.reject(entry, reason, error)
    writes.close_dead_letters(closing)
    writes.stats.released = released
    writes.stats.changed += changed
    writes.stats.noted += len(batch.patients) - len(conflicting)
    return writes.write(tx)


def _record_and_lock(
    tx: Transaction, batch: ImportBatch, known: set[PatientKey], run: RunContext, *, is_retry: bool
) -> tuple[dict[EventKey, LineEventContent], dict[LineKey, Line], "_SavedPatients"]:
    """Record the events and save the patients. Lock the lines of the batch and the lines that wait for its patients.

    Return three results: the events that were processed before, with the content that they had then; the locked lines
    by key; and the result of saving the patients. The events of a retry are not recorded again. A small batch that
    saves no patient and refers to known patients only is recorded and locked in one round trip.
    """
    added = {} if is_retry else batch.content_by_event
    keys = {each.event.key for each in batch.lines}
    if not batch.saved_patients and batch.referenced_patients <= known and len(added) < event_ids.COPIED_MIN:
        created, rows = fetch_together(tx, event_ids.insert_query(added), lines.lock_query(keys))
        seen = event_ids.recorded_before(tx, added, created)
        return seen, lines.with_postings(tx, rows), _SavedPatients(known, set(), [], 0)
    seen = event_ids.record(tx, added)
    locked = patients.lock(tx, batch.referenced_patients - known, batch.saved_patients, run.now)
    saved = _save_patients(tx, batch, locked._replace(known=known | locked.known), run)
    return seen, lines.lock(tx, saved.waiting | keys), saved


class _SavedPatients(NamedTuple):
    """The result of saving patients.

    `known` holds the known patients of payments and charges. `waiting` holds the keys of the lines that wait for the
    saved patients. `conflicting` holds the entries with a version conflict, each with its error. `changed` is the
    number of patients that changed.
    """

    known: set[PatientKey]
    waiting: set[LineKey]
    conflicting: list[tuple[StreamEntry, str]]
    changed: int


def _save_patients(tx: Transaction, batch: ImportBatch, locked: LockedPatients, run: RunContext) -> _SavedPatients:
    """Save the newest version of each patient. The caller then imports the payments, which need the patients."""
    current = locked.versions
    newest: dict[PatientKey, PatientSaved] = {}
    changed = 0
    conflicting: list[tuple[StreamEntry, str]] = []
    for entry, event in sorted(batch.patients, key=lambda each: each[1].version):
        key = (event.company_id, event.patient_id)
        check = check_patient_version(event, current.get(key))
        if check is VersionCheck.NEW:
            changed += 1
            newest[key], current[key] = event, PatientVersion.of(event)
        elif check is VersionCheck.CONFLICT:
            error = (
                f"version: {event.version} of patient {event.patient_id} was already received with different content"
            )
            conflicting.append((entry, error))
    patients.save(tx, newest, run.now)
    waiting = waiting_lines.list_waiting_for_patients(tx, batch.saved_patients) if batch.patients else set()
    return _SavedPatients(locked.known, waiting, conflicting, changed)


def _record_charges(
    writes: WriteBatch, saved: Sequence[tuple[StreamEntry, ChargeSaved]], current: dict[ChargeKey, ChargeVersion]
) -> None:
    """Record the versions of each charge in order, except versions that are older than the recorded one.

    `current` holds the versions that Billing has.
    """
    for entry, event in sorted(saved, key=lambda each: (each[1].key, each[1].version)):
        before = current.get(event.key)
        check = check_charge_version(event, before)
        if check is VersionCheck.CONFLICT:
            error = f"version: {event.version} of charge {event.key} was already received with different content"
            writes.reject(entry, Reason.VERSION_CONFLICT, error)
        else:
            writes.stats.noted += 1
            if check is VersionCheck.NEW:
                current[event.key] = recorded_version(event, before)
                writes.record_charge(event, before)


def _import_line_event(writes: WriteBatch, read: ParsedLineEvent, *, again: bool) -> None:
    before = writes.lines.get(read.event.key)
    if again and before is not None:
        writes.record_unchanged(before, NoEffectCause.SAME_EVENT, read.event.version, read.entry.entry_id)
    else:
        _apply_version(writes, read)


def _apply_version(writes: WriteBatch, read: ParsedLineEvent) -> None:
    (entry, event, _, content_hash, requeued_at), before = read, writes.lines.get(read.event.key)
    check = check_version(event, content_hash, before)
    if check is VersionCheck.CONFLICT:
        error = f"version: {event.version} of {event.key} was already received with different content"
        writes.reject(entry, Reason.VERSION_CONFLICT, error)
    elif before is not None and check is VersionCheck.AGAIN:
        writes.record_unchanged(before, NoEffectCause.SAME_VERSION, event.version, entry.entry_id)
    elif before is not None and check is VersionCheck.STALE:
        writes.record_unchanged(before, NoEffectCause.STALE_VERSION, event.version, entry.entry_id)
    else:
        facts = writes.reference.import_context(event.clinic_key, event.patient_id, requeued_at or event.saved_at)
        writes.record(decide(event, content_hash, before, facts, requeued_at), entry.entry_id)
