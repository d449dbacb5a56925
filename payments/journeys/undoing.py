"""Undo a decision on a Billing Exception (rule D6): reverse its entries, or reopen an acknowledged exception."""

from datetime import date, datetime
from itertools import groupby
from typing import NamedTuple

from payments.core.finding import DecisionError, FindingStatus, required_finding
from payments.core.history import HistoryCode, posting_params
from payments.core.line import IMPORT_USER, EntryKind, LedgerPosting, Line
from payments.core.undoing import is_accepted, reversals, undo_acceptance, undo_acknowledgement
from payments.store.db.connection import Transaction
from payments.store.feed import dead_letters
from payments.store.ledger import clinics, distribution_queue, entries, findings, history, lines, locked_findings
from payments.store.ledger.entries import EntryHeader, EntryOrigin, NewEntry
from payments.store.ledger.findings import StoredFinding
from payments.store.ledger.history import HistoryEvent


class UndoRequest(NamedTuple):
    """The exception whose decision is undone, and the reason.

    `decided_at` is the time of the decision that the user saw, None to skip this check. `deposit_date` is the deposit
    date of the reversing entries. If it is None, each reversing entry has the date of the entry that it reverses, or
    the current day if the month of that date is closed.
    """

    finding_id: int
    reason: str
    decided_at: datetime | None = None
    deposit_date: date | None = None


class UndoResult(NamedTuple):
    """Result of an undo: the payment's printed key, and the reversing entries.

    If an earlier call undid the decision, `was_undone_before` is True, and nothing was changed.
    """

    payment: str
    postings: tuple[LedgerPosting, ...] = ()
    was_undone_before: bool = False


def undo(tx: Transaction, request: UndoRequest, now: datetime, who: str) -> UndoResult:
    """Undo the acceptance or acknowledgement of an exception, and open the exception. A second call changes nothing.

    The entries of an acceptance stay in the ledger. New entries in open months reverse them. Locks the line, then
    share-locks the months of the entries until the commit.

    Raises DecisionError if there is no decision to undo, if the payment has changed since, if the exception was decided
    again, or if a month is not open.
    """
    if not request.reason.strip():
        raise DecisionError(request.finding_id, "a reason is needed to undo the decision")
    line, finding = locked_findings.lock(tx, request.finding_id)
    if finding.status is FindingStatus.OPEN and finding.undone_at:
        return UndoResult(str(line.key), was_undone_before=True)
    _check_decision(tx, line, finding, request)
    postings: tuple[LedgerPosting, ...] = ()
    params, code = {}, HistoryCode.EXCEPTION_REOPENED
    if finding.status is FindingStatus.RESOLVED:
        postings = _undo_acceptance(tx, line, finding, request, EntryHeader(EntryKind.ADJUSTMENT, who, now))
        params, code = {"postings": posting_params(postings)}, HistoryCode.EXCEPTION_UNDONE
    else:
        _reopen(tx, line, finding, now)
    event = HistoryEvent(now, code, who, line.company_id, params, request.reason.strip(), line.id)
    history.add(tx, [event._replace(version=line.version, finding_ref=finding.id)])
    return UndoResult(str(line.key), postings)


def _check_decision(tx: Transaction, line: Line, finding: StoredFinding, request: UndoRequest) -> None:
    if finding.status not in {FindingStatus.RESOLVED, FindingStatus.ACKNOWLEDGED}:
        status = "it is open" if finding.status is FindingStatus.OPEN else "it was closed automatically"
        raise DecisionError(finding.id, f"{status}; there is no decision to undo")
    if request.decided_at not in {None, finding.ended_at}:
        raise DecisionError(finding.id, "it was decided again since you looked; look at the exception again")
    if finding.version != line.version or finding.attempts not in {None, line.attempts}:
        saved_again = f"{line.key} was saved or evaluated again (version {line.version})"
        raise DecisionError(finding.id, f"{saved_again}; correct the payment in the EMR")
    for other in findings.load_open(tx, [finding.line_ref]).values():
        raise DecisionError(finding.id, f"exception {other.id} of the same payment is open; decide that one first")


def _undo_acceptance(
    tx: Transaction, line: Line, finding: StoredFinding, request: UndoRequest, header: EntryHeader
) -> tuple[LedgerPosting, ...]:
    """Post the entries that reverse an acceptance, and return them. Open the exception with its current proposal.

    Raises DecisionError if the line has changed since, or if the deposit date is not in an open month.
    """
    if not is_accepted(line):
        raise DecisionError(finding.id, f"{line.key} has changed since it was accepted; correct the payment in the EMR")
    today, now = clinics.local_date(tx, line.company_id, header.posted_at), header.posted_at
    posted = entries.list_posted_by_acceptance(tx, line.company_id, finding)
    own_days = set() if request.deposit_date else {each.posting.dimensions.deposit_date for each in posted}
    day = request.deposit_date or today
    open_days = locked_findings.open_days(tx, line, own_days | {day})
    reversed_by = reversals(posted, open_days, day)
    if any(each.posting.dimensions.deposit_date == day for each in reversed_by):
        locked_findings.check_deposit_date(tx, line, finding.id, day, today)
    postings = tuple(each.posting for each in reversed_by)
    reopened = undo_acceptance(line, finding.reason, postings, finding.hash_before)
    refs, first = lines.write(tx, [reopened], now), line.next_part
    origin = EntryOrigin(finding.id, reason=request.reason.strip())
    for kind, group in groupby(enumerate(reversed_by, first), lambda each: each[1].kind):
        added = [
            NewEntry(line, each.posting, part, today, origin._replace(reverses=each.reverses)) for part, each in group
        ]
        entries.post(tx, added, refs, EntryHeader(kind, IMPORT_USER, now) if kind is EntryKind.IMPORT else header)
    distribution_queue.enqueue(tx, {(line.company_id, each.dimensions.patient_id) for each in postings}, now)
    findings.reopen(tx, finding.id, required_finding(reopened), now)
    return postings


def _reopen(tx: Transaction, line: Line, finding: StoredFinding, now: datetime) -> None:
    """Open an acknowledged exception again, with its current amounts and proposal.

    Raises DecisionError if the line no longer needs a decision.
    """
    if finding.dead_letter_id is not None:
        dead_letters.reopen(tx, finding.dead_letter_id, now)
        findings.reopen(tx, finding.id, None, now)
        return
    reopened = undo_acknowledgement(line, finding.hash_before)
    found = required_finding(reopened)
    if found is None or found.reason is not finding.reason:
        raise DecisionError(finding.id, f"{line.key} no longer needs a decision")
    if reopened is not line:
        lines.write(tx, [reopened], now)
    findings.reopen(tx, finding.id, found, now)
