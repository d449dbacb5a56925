"""What a set of judgements adds up to: collected line by line, then written in a handful of statements."""

from typing import NamedTuple

from payments.contract.event import ChargeSaved, ChargeType, LineKey
from payments.contract.money import ZERO, total
from payments.core.charge import ChargeVersion, key_of
from payments.core.distribution import ChargeKey
from payments.core.finding import needs_review
from payments.core.import_rule import Decision
from payments.core.import_stats import ImportStats, RunContext
from payments.core.line import IMPORT_USER, EntryKind, Line
from payments.core.outcome import Application, Outcome, Reason, Status
from payments.store.db.connection import Transaction
from payments.store.feed import dead_letters
from payments.store.feed.dead_letters import Refusal, SetAside, StreamEntry
from payments.store.ledger import charges, distribution, entries, history, lines
from payments.store.ledger.entries import NewEntry, Stamp
from payments.store.ledger.history import HistoryEvent
from payments.store.ledger.patients import PatientKey
from payments.store.ledger.reference_data import ReferenceData


class _Told(NamedTuple):
    """Something that happened to a line, until its row is known."""

    key: LineKey
    version: int
    what: str
    detail: str
    entry_id: str | None


class WriteBatch:
    """The lines as they stand while they are judged, and all that has to be written for them."""

    def __init__(self, run: RunContext, book: ReferenceData, before: dict[LineKey, Line]) -> None:
        self.run, self.book, self.lines = run, book, before
        self.stats = ImportStats()
        self._changed: set[LineKey] = set()
        self._entries: list[NewEntry] = []
        self._told: list[_Told] = []
        self._refusals: list[Refusal] = []
        self._charges: dict[ChargeKey, ChargeSaved] = {}
        self._at_once: set[PatientKey] = set()

    def take(self, decision: Decision, entry_id: str | None = None) -> None:
        """Take down a decision: the line as it stands now, its entries, its history."""
        line = decision.line
        before = self.lines.get(line.key)
        self.stats.to_examine += needs_review(line.outcome) or bool(before and needs_review(before.outcome))
        self.lines[line.key] = line
        self._changed.add(line.key)
        today = self.book.today(line.key.clinic_id)
        # Numbered through all entries of the line: the same version can be taken out and, requeued, put in again.
        numbered = enumerate(decision.postings, len(line.postings) - len(decision.postings) + 1)
        self._entries += [NewEntry(line, posting, part, today) for part, posting in numbered]
        # Money that may not wait for the night: it was taken out, or paid on account.
        self._at_once |= {
            (line.company_id, posting.dimensions.patient_id)
            for posting in decision.postings
            if posting.amount < ZERO or posting.dimensions.charge_type is ChargeType.PAYMENT_ON_ACCOUNT
        }
        self.stats.count(line.outcome)
        self.tell(line, _what(line.outcome), _detail(decision), entry_id)

    def take_charge(self, event: ChargeSaved, before: ChargeVersion | None) -> None:
        """Take down what a patient owes; where the charge was somebody else's, that account gives its money back."""
        self._charges[key_of(event)] = event
        self._at_once |= {(each.company_id, each.patient_id) for each in (before, event) if each}

    def tell(self, line: Line, what: str, detail: str, entry_id: str | None) -> None:
        """Take down something that happened to a line."""
        self._told.append(_Told(line.key, line.version, what, detail, entry_id))

    def leave(self, line: Line, why: str, entry_id: str) -> None:
        """Take down that an event changed nothing, and why."""
        self.stats.evaluated += 1
        self.stats.unchanged += 1
        self.tell(line, "Received", why, entry_id)

    def refuse(self, arrived: StreamEntry, reason: Reason, error: str) -> None:
        """Take down an event that is to be set aside whole."""
        self.stats.evaluated += 1
        self.stats.refused += 1
        self.stats.to_examine += reason is Reason.VERSION_CONFLICT
        self._refusals.append(Refusal(arrived, reason, error))

    def write(self, tx: Transaction) -> ImportStats:
        """Write all of it, and return what it came to. Raises LostRaceError and what the database raises."""
        refs = {key: line.id for key, line in self.lines.items() if line.id is not None}
        refs |= lines.write(tx, [self.lines[key] for key in self._changed], self.run.now)
        entries.post(tx, self._entries, refs, Stamp(EntryKind.IMPORT, IMPORT_USER, self.run.now))
        charges.save(tx, self._charges, self.run.now)
        self.stats.to_distribute = distribution.mark(tx, self._at_once, self.run.now)
        aside = dead_letters.put_aside(tx, self._refusals, self.run.now)
        duration_ms = self.run.elapsed_ms()
        happened = [self._happening(told, refs[told.key], duration_ms) for told in self._told]
        history.add(tx, happened + [self._set_aside(each, duration_ms) for each in aside])
        return self.stats

    def _happening(self, told: "_Told", line_ref: int, duration_ms: int) -> HistoryEvent:
        return HistoryEvent(
            at=self.run.now,
            what=told.what,
            who=self.run.worker,
            detail=told.detail,
            line_ref=line_ref,
            entry_id=told.entry_id,
            version=told.version,
            duration_ms=duration_ms,
        )

    def _set_aside(self, aside: SetAside, duration_ms: int) -> HistoryEvent:
        return HistoryEvent(
            at=self.run.now,
            what=aside.status,
            who=self.run.worker,
            detail=aside.reason.sentence,
            set_aside_ref=aside.id,
            entry_id=aside.arrived.entry_id,
            version=aside.version,
            duration_ms=duration_ms,
            error=aside.error,
        )


def _what(outcome: Outcome) -> str:
    match outcome.application:
        case Application.NONE:
            return outcome.status or "Not to be sent"
        case Application.HELD:
            return "Held"
        case Application.EXCEPTION:
            return "Billing Exception"
        case _ if outcome.status is Status.NOT_SENT:
            return f"{outcome.application.capitalize()}, {outcome.status}"
        case _:
            return outcome.application.capitalize()


def _detail(decision: Decision) -> str:
    moved = "; ".join(
        f"{posting.amount} {posting.dimensions.method} {posting.dimensions.charge_type} to {posting.dimensions.deposit_date}"  # noqa: E501
        for posting in decision.postings
    )
    stands = f"{total(posting.amount for posting in decision.line.postings)} stands in Billing" if moved else ""
    due = decision.line.outcome.due_at
    again = f"next try {due:%Y-%m-%d %H:%M:%S} UTC" if due else ""
    return ". ".join(part.rstrip(".") for part in (decision.line.outcome.detail, moved, stands, again) if part)
