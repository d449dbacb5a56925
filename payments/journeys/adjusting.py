"""Put right what a closed month no longer takes: accept a proposal, once, or acknowledge it."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

from payments.contract.fields import YEAR_FIRST
from payments.core.finding import (
    FindingReason,
    FindingStatus,
    accepted,
    acknowledged,
    examine,
    imported_all_the_same,
    proposed,
)
from payments.core.line import IMPORT_USER, EntryKind, LedgerPosting, Line
from payments.core.month import Month, MonthState
from payments.store.db.connection import Transaction
from payments.store.feed import dead_letters
from payments.store.ledger import clinics, distribution, entries, findings, history, lines, months, patients
from payments.store.ledger.entries import NewEntry, Stamp
from payments.store.ledger.findings import FindingRow, StoredFinding
from payments.store.ledger.history import HistoryEvent


class AdjustingError(ValueError):
    """An exception cannot be accepted or acknowledged as asked; nothing was posted."""

    def __init__(self, finding_id: int, problem: str) -> None:
        self.finding_id = finding_id
        super().__init__(f"exception {finding_id}: {problem}")


class Accepted(NamedTuple):
    """What accepting came to: the payment, and the entries posted (none if it had been accepted before)."""

    payment: str
    postings: tuple[LedgerPosting, ...]
    before: bool = False


def accept(tx: Transaction, finding_id: int, deposit_date: date | None, now: datetime, who: str) -> Accepted:
    """Post what an exception proposes, with a deposit date in an open month; a second time posts nothing.

    Without a date it is today, company time. Raises AdjustingError where the exception cannot be accepted, the payment
    has changed since it was found, its patient is not known (rule D2, row 11, comes after an Amount Due of 0.00), or
    the date lies in the future or in a month that is not open.
    """
    line, finding = _hold(tx, finding_id)
    if finding.status is FindingStatus.RESOLVED:
        return Accepted(str(line.key), (), before=True)
    _check(tx, line, finding)
    today = clinics.local_day(tx, line.company_id, now)
    if deposit_date is None and finding.reason is FindingReason.ZERO_DUE and _is_open(tx, line, line.days):
        postings, stamp = imported_all_the_same(line), Stamp(EntryKind.IMPORT, IMPORT_USER, now)
    else:
        day = deposit_date or today
        _check_day(tx, line, finding, day, today)
        postings = tuple(each.deposited_on(day) for each in proposed(line))
        stamp = Stamp(EntryKind.ADJUSTMENT, who, now)
    refs = lines.write(tx, [accepted(line, postings)], now)
    # Numbered through all entries of the line, as imports are: a version may be adjusted, requeued and adjusted again.
    added = [NewEntry(line, posting, part, today) for part, posting in enumerate(postings, len(line.postings) + 1)]
    entries.post(tx, added, refs, stamp)
    distribution.mark(tx, {(line.company_id, each.dimensions.patient_id) for each in postings}, now)
    findings.end(tx, [finding_id], FindingStatus.RESOLVED, now, who)
    moved = "; ".join(f"{each.amount} {each.dimensions.method} to {each.dimensions.deposit_date}" for each in postings)
    _tell(tx, line, HistoryEvent(now, "Exception accepted", who, moved or "Nothing to post"))
    return Accepted(str(line.key), postings)


class Shown(NamedTuple):
    """An exception as somebody saw it: its number, and the version of the payment that it spoke of."""

    finding_id: int
    version: int


def accept_shown(tx: Transaction, shown: Shown, deposit_date: date | None, now: datetime, who: str) -> Accepted:
    """Accept what somebody saw. Raises AdjustingError, beside all that `accept` does, where it has changed since."""
    done = accept(tx, shown.finding_id, deposit_date, now, who)
    if not done.before:
        _check_shown(tx, shown)
    return done


def acknowledge_shown(tx: Transaction, shown: Shown, reason: str, now: datetime, who: str) -> str:
    """Acknowledge what somebody saw. Raises AdjustingError, as `acknowledge` does, and where it has changed since."""
    payment = acknowledge(tx, shown.finding_id, reason, now, who)
    _check_shown(tx, shown)
    return payment


def _check_shown(tx: Transaction, shown: Shown) -> None:
    # Checked last: from here on this transaction holds the line, so that nobody changes the exception any more.
    version = findings.load(tx, [shown.finding_id])[shown.finding_id].version
    if version != shown.version:
        seen = f"you saw version {shown.version} of the payment and it is at {version} now"
        raise AdjustingError(shown.finding_id, f"{seen}; nothing was posted, look at it again")


def accept_all(tx: Transaction, company_id: str | None) -> list[int]:
    """Return the exceptions that can be accepted, of one company or of all; each is then accepted by itself."""
    return findings.acceptable(tx, company_id)


def accept_by_policy(tx: Transaction) -> list[int]:
    """Return the exceptions of closed months of the companies that have theirs accepted without asking."""
    return findings.acceptable(tx, None, policy="auto")


def list_exceptions(tx: Transaction, *, only_open: bool, as_of: datetime | None = None) -> list[FindingRow]:
    """Return the Billing Exceptions, oldest first, as they are or as they were known at a moment."""
    return findings.rows(tx, only_open=only_open, as_of=as_of)


def acknowledge(tx: Transaction, finding_id: int, reason: str, now: datetime, who: str) -> str:
    """End an exception without posting anything, and return its payment. A newer version of the payment opens another.

    Raises AdjustingError where there is no such open exception or no reason is given.
    """
    if not reason.strip():
        raise AdjustingError(finding_id, "a reason is needed to acknowledge it")
    line, finding = _hold(tx, finding_id)
    if finding.status is not FindingStatus.OPEN:
        raise AdjustingError(finding_id, f"it is {finding.status} already")
    if finding.set_aside_ref is not None:
        dead_letters.close(tx, [finding.set_aside_ref], now)
    if finding.version == line.version and (settled := acknowledged(line)) is not line:
        lines.write(tx, [settled], now)
    findings.end(tx, [finding_id], FindingStatus.ACKNOWLEDGED, now, who)
    _tell(tx, line, HistoryEvent(now, "Exception acknowledged", who, reason.strip()))
    return str(line.key)


def _hold(tx: Transaction, finding_id: int) -> tuple[Line, StoredFinding]:
    """Lock the line first and look at the exception then, as everyone does who changes either."""
    seen = findings.load(tx, [finding_id]).get(finding_id)
    if seen is None:
        raise AdjustingError(finding_id, "there is none with this number")
    (line,) = lines.lock_by_id(tx, [seen.line_ref], wait=True).values()
    return line, findings.load(tx, [finding_id])[finding_id]


def _check(tx: Transaction, line: Line, finding: StoredFinding) -> None:
    if finding.status is not FindingStatus.OPEN:
        raise AdjustingError(finding.id, f"it is {finding.status} already")
    if not finding.reason.can_be_accepted:
        raise AdjustingError(finding.id, f"{finding.reason}: nothing to accept; acknowledge it with a reason")
    if line.version != finding.version:
        saved_again = f"{line.key} was saved again (version {line.version})"
        raise AdjustingError(finding.id, f"{saved_again}; look at what the exception says now")
    found = examine(line)
    if found is None or found.reason is not finding.reason or finding.attempts not in {None, line.attempts}:
        again = f"{line.key} is being judged again"
        raise AdjustingError(finding.id, f"{again}; look at what the exception says then")
    payer = (line.company_id, line.patient_id)
    if finding.reason is FindingReason.ZERO_DUE and payer not in patients.known_of(tx, [payer]):
        unknown = f"patient {line.patient_id} is not known to Billing yet"
        raise AdjustingError(finding.id, f"{unknown}; accept it once the EMR has saved the patient")


def _check_day(tx: Transaction, line: Line, finding: StoredFinding, day: date, today: date) -> None:
    if day > today:
        raise AdjustingError(finding.id, f"deposit date {day} lies in the future; today is {today}")
    if day.year < YEAR_FIRST:
        raise AdjustingError(finding.id, f"deposit date {day}: no payment lies before {YEAR_FIRST}")
    if not _is_open(tx, line, {day}):
        raise AdjustingError(finding.id, f"deposit date {day}: that month is closed; choose a date in an open month")


def _is_open(tx: Transaction, line: Line, days: Iterable[date]) -> bool:
    held = months.hold(tx, {(line.company_id, Month.of(day)) for day in days})
    return set(held.values()) <= {MonthState.OPEN, MonthState.SCHEDULED}


def _tell(tx: Transaction, line: Line, happening: HistoryEvent) -> None:
    history.add(tx, [happening._replace(line_ref=line.id, version=line.version)])
