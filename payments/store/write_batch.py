"""Collect the decisions of an import line by line, then write them in a few bulk statements."""

from collections.abc import Sequence
from typing import NamedTuple

from payments.contract.event import ChargeSaved, ChargeType
from payments.contract.keys import ChargeKey, LineKey
from payments.contract.money import ZERO
from payments.contract.stream_entry import StreamEntry, is_authentic
from payments.core.charge import ChargeVersion
from payments.core.finding import needs_review
from payments.core.history import HistoryCode, NoEffectCause, Params, outcome_code
from payments.core.import_rule import Decision
from payments.core.import_stats import ImportStats, RunContext
from payments.core.line import IMPORT_USER, EntryKind, Line
from payments.core.outcome import Held, Reason, Status
from payments.store.db.connection import Transaction
from payments.store.feed import dead_letters
from payments.store.feed.dead_letters import DeadLetter, Rejection
from payments.store.ledger import charges, distribution_queue, entries, history, import_tasks, lines
from payments.store.ledger.entries import EntryHeader, NewEntry
from payments.store.ledger.history import HistoryEvent
from payments.store.ledger.outcome_columns import outcome_detail
from payments.store.ledger.patients import PatientKey
from payments.store.ledger.reference_data import ReferenceData


class _PendingHistory(NamedTuple):
    """A history event of a line that may not have a row id yet."""

    key: LineKey
    version: int
    code: HistoryCode
    params: Params | None
    entry_id: str | None


class WriteBatch:
    """The lines of a batch in their current state, and everything that must be written for them.

    `lines` holds the lines that this transaction has locked. `record` replaces a line by its new state. Call `write`
    once, after all decisions.
    """

    def __init__(self, run: RunContext, reference: ReferenceData, lines_before: dict[LineKey, Line]) -> None:
        self.run, self.reference, self.lines = run, reference, lines_before
        self.stats = ImportStats()
        self._changed: set[LineKey] = set()
        self._entries: list[NewEntry] = []
        self._history: list[_PendingHistory] = []
        self._rejections: list[Rejection] = []
        self._closing: Sequence[int] = ()
        self._charges: dict[ChargeKey, ChargeSaved] = {}
        self._new_charges: set[ChargeKey] = set()
        self._accounts_to_distribute: set[PatientKey] = set()

    def record(self, decision: Decision, entry_id: str | None = None) -> None:
        """Record a decision: the new state of its line, the entries to post, and the history event.

        `entry_id` is the stream entry that caused the decision, None for a retry.
        """
        line = decision.line
        before = self.lines.get(line.key)
        self.stats.to_examine += needs_review(line.outcome) or bool(before and needs_review(before.outcome))
        self.lines[line.key] = line
        self._changed.add(line.key)
        self._record_postings(decision)
        self.stats.count(line.outcome)
        self.stats.changed += 1
        self._record_history(line, outcome_code(line.outcome), _history_params(decision), entry_id)

    def record_unchanged(self, line: Line, cause: NoEffectCause, version: int, entry_id: str) -> None:
        """Record that an event had no effect on its line. `cause` is the reason, `version` the event's version.

        In a replay, an event that Billing already has is not recorded, because the history has its first import.
        """
        self.stats.evaluated += 1
        self.stats.unchanged += 1
        if self.run.is_replay and cause is NoEffectCause.SAME_EVENT:
            return
        params = {"cause": cause, "version": version, "current": line.version}
        self._record_history(line, HistoryCode.RECEIVED, params, entry_id)

    def record_charge(self, event: ChargeSaved, before: ChargeVersion | None) -> None:
        """Record a new version of a charge. Its account is distributed immediately.

        `before` is the stored version, None for a new charge. If that version belongs to another account, that account
        is distributed as well, to unapply its money from the charge.
        """
        self.stats.changed += 1
        self._charges[event.key] = event
        if before is None:
            self._new_charges.add(event.key)
        self._accounts_to_distribute |= {(event.company_id, each.patient_id) for each in (before, event) if each}

    def reject(self, entry: StreamEntry, reason: Reason, error: str, *, with_fields: bool = True) -> None:
        """Record that a stream entry cannot be processed and becomes a dead letter.

        If `with_fields` is False, only the bytes of the entry are stored (see Rejection).
        """
        self.stats.evaluated += 1
        self.stats.refused += 1
        self.stats.changed += 1
        self.stats.to_examine += reason is Reason.VERSION_CONFLICT
        self._rejections.append(
            Rejection(entry, reason, error, with_fields, self._is_authentic(entry, with_fields=with_fields))
        )

    def _is_authentic(self, entry: StreamEntry, *, with_fields: bool) -> bool:
        """Return whether the entry comes from the company that it names.

        Without `with_fields`, the signature is not checked. The result is then the stored one if the entry is a retried
        dead letter. For any other entry, it is True only if this installation checks no signatures.
        """
        if with_fields:
            return is_authentic(entry, self.run.keyring)
        return not self.run.keyring.is_used if entry.was_authentic is None else entry.was_authentic

    def close_dead_letters(self, ids: Sequence[int]) -> None:
        """Record that these due dead letters were retried. `write` closes them, and reopens those rejected again."""
        self._closing = ids

    def write(self, tx: Transaction) -> ImportStats:
        """Write lines, entries, charges, the distribution queue, dead letters and history. Return the statistics.

        Raises ConcurrentWriteError if another worker has created one of the new lines or charges, or if a dead letter
        is no longer due. Raises DBAPIError, for example if a deposit date lies in a month that has been closed. In a
        small batch, the COMMIT raises these errors.
        """
        now = self.run.now
        line_refs = {key: line.id for key, line in self.lines.items() if line.id is not None}
        line_refs |= lines.write(tx, [self.lines[key] for key in self._changed], now, self.reference.reserved_ids)
        entries.post(tx, self._entries, line_refs, EntryHeader(EntryKind.IMPORT, IMPORT_USER, now))
        charges.save(tx, self._charges, self._new_charges, now)
        self.stats.to_distribute = distribution_queue.enqueue(tx, self._accounts_to_distribute, now)
        dead_letters.close_due(tx, self._closing, now)
        added = dead_letters.add(tx, self._rejections, now)
        duration_ms = self.run.elapsed_ms()
        events = [self._line_event(pending, line_refs[pending.key], duration_ms) for pending in self._history]
        history.add(tx, events + [self._dead_letter_event(each, duration_ms) for each in added])
        if self.run.task_id and (events or added):
            import_tasks.add(tx, now, self.run.worker, self.run.task_id)
        return self.stats

    def _record_postings(self, decision: Decision) -> None:
        line, postings = decision.line, decision.postings
        posting_date = self.reference.posting_date(line.company_id)
        # `part` counts all entries of the line, because a version can be removed and, after a requeue, posted again.
        first_part = line.next_part - len(postings)
        self._entries += [
            NewEntry(line, posting, part, posting_date) for part, posting in enumerate(postings, first_part)
        ]
        # Rule D8: a lowered payment and a Payment on Account do not wait for the nightly run.
        self._accounts_to_distribute |= {
            (line.company_id, posting.dimensions.patient_id)
            for posting in postings
            if posting.amount < ZERO or posting.dimensions.charge_type is ChargeType.PAYMENT_ON_ACCOUNT
        }

    def _record_history(self, line: Line, code: HistoryCode, params: Params | None, entry_id: str | None) -> None:
        self._history.append(_PendingHistory(line.key, line.version, code, params, entry_id))

    def _line_event(self, pending: _PendingHistory, line_ref: int, duration_ms: int) -> HistoryEvent:
        return HistoryEvent(
            at=self.run.now,
            code=pending.code,
            who=self.run.worker,
            company_id=self.lines[pending.key].company_id,
            params=pending.params,
            line_ref=line_ref,
            entry_id=pending.entry_id,
            version=pending.version,
            duration_ms=duration_ms,
        )

    def _dead_letter_event(self, dead_letter: DeadLetter, duration_ms: int) -> HistoryEvent:
        return HistoryEvent(
            at=self.run.now,
            code=HistoryCode.NOT_SENT if dead_letter.status is Status.NOT_SENT else HistoryCode.VALIDATION_FAILED,
            who=self.run.worker,
            company_id=dead_letter.company_id,
            params={"detail": dead_letter.reason},
            dead_letter_id=dead_letter.id,
            entry_id=dead_letter.entry.entry_id,
            version=dead_letter.version,
            duration_ms=duration_ms,
            error=dead_letter.error,
        )


def _history_params(decision: Decision) -> Params | None:
    """Return the parameters of a decision's history event.

    Postings are not included, because they are in the ledger.
    """
    outcome = decision.line.outcome
    params: Params = {}
    if detail := outcome_detail(outcome):
        params["detail"] = detail
    if isinstance(outcome, Held) and outcome.due_at:
        params["next_try"] = outcome.due_at.isoformat()
    return params or None
