"""Re-evaluate held lines, postpone failed lines, and store entries whose attempts all failed as dead letters."""

from collections.abc import Sequence

from payments.contract.stream_entry import StreamEntry
from payments.core.due_selection import DueSelection
from payments.core.history import HistoryCode
from payments.core.import_rule import ImportContext, decide_again, decide_failed
from payments.core.import_stats import ImportStats, RunContext
from payments.core.outcome import Reason
from payments.store.db.connection import Transaction
from payments.store.feed import dead_letters
from payments.store.ledger import admission, history, import_tasks, lines, patients
from payments.store.ledger.history import HistoryEvent
from payments.store.ledger.reference_data import LookupScope, load_reference_data
from payments.store.write_batch import WriteBatch

UNKNOWN_ERROR_MESSAGE = "Unable to determine reason. Please contact Support."


def retry_due(tx: Transaction, run: RunContext, selection: DueSelection) -> ImportStats:
    """Re-evaluate held or requeued lines that are due. Return the statistics.

    Sets `selection.selected` to the ids of these lines.

    Locks the lines (FOR NO KEY UPDATE SKIP LOCKED).
    """
    admission.share_lock(tx)
    due = lines.lock_due(tx, run.now, selection)
    selection.selected = [line.id for line in due.values() if line.id is not None]
    if not due:
        return ImportStats()
    known, arriving = patients.try_lock(tx, ((line.company_id, line.patient_id) for line in due.values()))
    reference = load_reference_data(tx, map(LookupScope.of_line, due.values()), run).with_patients(known)
    writes = WriteBatch(run, reference, dict(due))
    for line in due.values():
        if (line.company_id, line.patient_id) in arriving:
            continue  # It stays due: the transaction that saves the patient may be waiting for this line.
        context = reference.import_context(line.key.clinic, line.patient_id, line.settings_as_of)
        writes.record(decide_again(line, context))
    return writes.write(tx)


def postpone_line(tx: Transaction, run: RunContext, line_ref: int, error: str) -> ImportStats:
    """Postpone a line whose evaluation failed. `error` is the error's text. Locks the line.

    The line is held until the next step of its backoff schedule. After the last step it is Not Sent. If another worker
    has evaluated the line meanwhile, the line is no longer due and is not changed.
    """
    due = lines.lock_due(tx, run.now, DueSelection(1, only=[line_ref]))
    writes = WriteBatch(run, load_reference_data(tx, map(LookupScope.of_line, due.values()), run), dict(due))
    for line in due.values():
        writes.record(decide_failed(line, ImportContext(run.now, run.backoff_schedule), error))
    return writes.write(tx)


def reject_dead_letter_again(tx: Transaction, run: RunContext, dead_letter_id: int, error: str) -> ImportStats:
    """Mark a requeued dead letter Not Sent (`retries_exhausted`) after its new attempt failed. Return the statistics.

    `error` is the error's text. Locks the dead letter.
    """
    writes = WriteBatch(run, load_reference_data(tx, (), run), {})
    for letter in dead_letters.select_due(tx, run.now, DueSelection(1, only=[dead_letter_id])):
        # The fields that were read from it may be the cause, and are stored already.
        writes.reject(letter.entry, Reason.RETRIES_EXHAUSTED, error, with_fields=False)
    return writes.write(tx)


def dead_letter(
    tx: Transaction, entries: Sequence[StreamEntry], run: RunContext, *, with_fields: bool = True
) -> ImportStats:
    """Store entries as dead letters after their last attempt. Users see them as Not Sent, and can requeue them.

    With `with_fields=False`, only the raw bytes are stored, and no field is parsed.
    """
    errors = history.last_errors(tx, [entry.entry_id for entry in entries])
    writes = WriteBatch(run, load_reference_data(tx, (), run), {})
    for entry in entries:
        error = errors.get(entry.entry_id, UNKNOWN_ERROR_MESSAGE)
        writes.reject(entry, Reason.RETRIES_EXHAUSTED, error, with_fields=with_fields)
    return writes.write(tx)


def record_failure(tx: Transaction, entries: Sequence[StreamEntry], error: str, run: RunContext) -> None:
    """Record in the history that an attempt at these entries failed. The entries stay pending on the stream."""
    duration_ms = run.elapsed_ms()
    history.add(
        tx,
        [
            HistoryEvent(
                run.now,
                HistoryCode.FAILED,
                run.worker,
                company_id=None,
                entry_id=entry.entry_id,
                duration_ms=duration_ms,
                error=error,
            )
            for entry in entries
        ],
    )
    if run.task_id:
        import_tasks.add(tx, run.now, run.worker, run.task_id)
