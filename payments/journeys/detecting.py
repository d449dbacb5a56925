"""Find every payment that needs a person, say what is the matter, and close what has mended itself.

It may run at any time, twice at once, and heals whatever an earlier run missed.
"""

from dataclasses import dataclass
from datetime import datetime

from payments.core.finding import Finding, FindingReason, FindingStatus, conflict, examine
from payments.core.line import Line
from payments.core.month import Month
from payments.core.outcome import Application
from payments.store.db.connection import Transaction
from payments.store.ledger import finding_candidates, findings, history, lines, months
from payments.store.ledger.finding_candidates import Work
from payments.store.ledger.findings import Examined, StoredFinding
from payments.store.ledger.history import HistoryEvent
from payments.store.ledger.months import CompanyMonth


@dataclass(frozen=True, slots=True)
class Detected:
    """What a sweep did: how many lines it looked at, and how many findings it opened, recomputed and closed."""

    examined: int = 0
    opened: int = 0
    recomputed: int = 0
    closed: int = 0

    def __add__(self, other: "Detected") -> "Detected":
        return Detected(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    def __str__(self) -> str:
        return f"opened {self.opened:,}, recomputed {self.recomputed:,}, closed by themselves {self.closed:,}"


def detect(tx: Transaction, now: datetime, worker: str, limit: int) -> Detected:
    """Bring the findings of up to `limit` lines up to date; those that another worker holds are left for later."""
    work = {each.line_ref: each for each in finding_candidates.work(tx, limit)}
    if not work:
        return Detected()
    held = {line.id: line for line in lines.lock_by_id(tx, work, wait=False).values() if line.id is not None}
    already_open = findings.open_for(tx, held)
    found = _examine(tx, held, work)
    opened = findings.add_open(tx, [each for ref, each in found.items() if ref not in already_open], now)
    recomputed = {already_open[ref].id: each for ref, each in found.items() if ref in already_open}
    findings.recompute(tx, recomputed, now)
    mended = {ref: each for ref, each in already_open.items() if ref not in found and _is_decided(held[ref], each)}
    findings.end(tx, [each.id for each in mended.values()], FindingStatus.AUTO_CLOSED, now, worker)

    told = [_told("Exception opened", found[ref]) for ref in opened]
    told += [_told("Exception recomputed", each) for each in recomputed.values()]
    told += [("Exception closed by itself", held[ref], each.reason.value) for ref, each in mended.items()]
    history.add(tx, [_happening(line, what, detail, now, worker) for what, line, detail in told])
    return Detected(len(held), len(opened), len(recomputed), len(mended))


def _examine(tx: Transaction, held: dict[int, Line], work: dict[int, Work]) -> dict[int, Examined]:
    closed_at = months.closed_at(tx, {month for line in held.values() for month in _months(line)})
    found: dict[int, Examined] = {}
    for ref, line in held.items():
        _, attempts, aside, amount_now = work[ref]
        if attempts is None:
            continue
        finding = conflict(line, amount_now) if aside else examine(line)
        if finding:
            tries = attempts if aside else line.attempts
            found[ref] = Examined(line, finding, _note(line, finding, closed_at), tries, aside)
    return found


def _is_decided(line: Line, finding: StoredFinding) -> bool:
    """Say whether a finding is to end that no longer is so: not while its payment waits to be judged."""
    return line.outcome.application is not Application.HELD or finding.reason is FindingReason.VERSION_CONFLICT


def _months(line: Line) -> set[CompanyMonth]:
    """Return the months that a line is about: of its date of transaction and of the money that stands for it."""
    return {(line.company_id, Month.of(day)) for day in line.days}


def _note(line: Line, finding: Finding, closed_at: dict[CompanyMonth, datetime]) -> str:
    """Say what helps to understand a finding beyond its figures."""
    if finding.reason is not FindingReason.CLOSED_MONTH:
        return ""
    missed = sorted(month for month in _months(line) if month in closed_at and line.saved_at < closed_at[month])
    late = f"Late arrival: saved before {missed[0][1]} was closed" if missed else ""
    nothing = "" if finding.proposal else "Only the date or a note differs; nothing to post"
    return "; ".join(filter(None, (late, nothing)))


def _told(what: str, found: Examined) -> tuple[str, Line, str]:
    case = f" ({found.finding.case})" if found.finding.case else ""
    amounts = f"{found.finding.amount_before} stands in Billing, the EMR says {found.finding.amount_now}"
    return what, found.line, ". ".join(filter(None, (f"{found.finding.reason}{case}", amounts, found.note)))


def _happening(line: Line, what: str, detail: str, now: datetime, worker: str) -> HistoryEvent:
    return HistoryEvent(now, what, worker, detail, line_ref=line.id, version=line.version)
