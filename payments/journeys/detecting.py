"""Open, recompute and close Billing Exceptions (rules D3 and D6).

The sweep is idempotent. It may run at any time, even in two processes simultaneously. Each run also repairs the
exceptions that an earlier run missed.
"""

from dataclasses import dataclass
from datetime import datetime

from payments.core.finding import (
    FindingReason,
    FindingStatus,
    required_finding,
    version_conflict_finding,
)
from payments.core.history import HistoryCode, Params
from payments.core.line import Line
from payments.core.outcome import Held
from payments.core.postponed_work import Selection
from payments.store.db.connection import Transaction
from payments.store.ledger import examinations, finding_candidates, findings, history, lines
from payments.store.ledger.finding_candidates import OutdatedFinding
from payments.store.ledger.findings import Examination, StoredFinding
from payments.store.ledger.history import HistoryEvent


@dataclass(frozen=True, slots=True)
class DetectionStats:
    """Result of a sweep: the number of lines examined, and of exceptions opened, recomputed and closed."""

    examined: int = 0
    opened: int = 0
    recomputed: int = 0
    closed: int = 0

    def __add__(self, other: "DetectionStats") -> "DetectionStats":
        return DetectionStats(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    def __str__(self) -> str:
        return f"opened {self.opened:,}, recomputed {self.recomputed:,}, closed by themselves {self.closed:,}"


def detect(
    tx: Transaction, now: datetime, worker: str, limit: int, selection: Selection | None = None
) -> DetectionStats:
    """Open, recompute or close the exceptions of up to `limit` lines. Skip lines that another transaction has locked.

    `selection.only` limits the lines. The call sets `selection.selected` to the lines that it examines. Locks the lines
    (FOR UPDATE SKIP LOCKED), then writes exceptions and history.
    """
    selection = selection or Selection()
    work = {each.line_ref: each for each in finding_candidates.load(tx, limit, selection.only)}
    selection.selected = [each.work_item for each in work.values()]
    if not work:
        return DetectionStats()
    locked = {line.id: line for line in lines.lock_by_id(tx, work, wait=False).values() if line.id is not None}
    already_open = findings.load_open(tx, locked)
    found = _examine(tx, locked, work)
    opened = findings.add(tx, [each for ref, each in found.items() if ref not in already_open], now)
    recomputed = {already_open[ref].id: each for ref, each in found.items() if ref in already_open}
    findings.update(tx, recomputed, now)
    resolved = {ref: each for ref, each in already_open.items() if ref not in found and _may_close(locked[ref], each)}
    findings.close(tx, [each.id for each in resolved.values()], FindingStatus.AUTO_CLOSED, now, worker)

    changes = [(HistoryCode.EXCEPTION_OPENED, each_id, found[ref]) for ref, each_id in opened.items()]
    changes += [(HistoryCode.EXCEPTION_RECOMPUTED, each_id, each) for each_id, each in recomputed.items()]
    described = [(code, each_id, each.line, examinations.history_params(each)) for code, each_id, each in changes]
    closed = HistoryCode.EXCEPTION_CLOSED
    described += [(closed, each.id, locked[ref], {"reason": each.reason}) for ref, each in resolved.items()]
    event = HistoryEvent(now, closed, worker, None)
    history.add(tx, [_event_of_finding(event, *each) for each in described])
    return DetectionStats(len(locked), len(opened), len(recomputed), len(resolved))


def _examine(tx: Transaction, locked: dict[int, Line], work: dict[int, OutdatedFinding]) -> dict[int, Examination]:
    closing_times = examinations.closing_times(tx, locked.values())
    found: dict[int, Examination] = {}
    for ref, line in locked.items():
        candidate = work[ref]
        if candidate.attempts is None:
            continue
        is_conflict = candidate.dead_letter_id is not None
        finding = (
            version_conflict_finding(line, candidate.conflicting_amount) if is_conflict else required_finding(line)
        )
        if finding:
            note = examinations.note_codes(line, finding, closing_times)
            attempts = candidate.attempts if is_conflict else line.attempts
            found[ref] = Examination(line, finding, note, attempts, candidate.dead_letter_id)
    return found


def _may_close(line: Line, finding: StoredFinding) -> bool:
    """Return whether a finding that the line no longer requires may be closed.

    While a line is held, its findings stay open, except version conflicts.
    """
    return not isinstance(line.outcome, Held) or finding.reason is FindingReason.VERSION_CONFLICT


def _event_of_finding(
    event: HistoryEvent, code: HistoryCode, finding_id: int, line: Line, params: Params
) -> HistoryEvent:
    return event._replace(
        code=code,
        company_id=line.company_id,
        params=params,
        line_ref=line.id,
        version=line.version,
        finding_ref=finding_id,
    )
