"""Decide Billing Exceptions (rules D3 and D6).

Accepting an exception posts its proposed entries once. Acknowledging it posts nothing.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple

from payments.core.finding import (
    DecisionError,
    FindingReason,
    FindingStatus,
    apply_acceptance,
    apply_acknowledgement,
    import_postings,
    proposed_adjustments,
    required_finding,
)
from payments.core.history import HistoryCode, posting_params
from payments.core.line import IMPORT_USER, EntryKind, LedgerPosting, Line
from payments.core.postponed_work import WorkItem, WorkKind
from payments.store.db.connection import Transaction
from payments.store.feed import dead_letters
from payments.store.ledger import (
    acceptable_findings,
    clinics,
    distribution_queue,
    entries,
    findings,
    history,
    lines,
    locked_findings,
    patients,
    postponed_work,
)
from payments.store.ledger.entries import EntryHeader, EntryOrigin, NewEntry
from payments.store.ledger.findings import Decision, StoredFinding
from payments.store.ledger.history import HistoryEvent

AUTO_POLICY = "company policy: auto"
"""The user name of entries that are posted because a company's policy accepts exceptions automatically."""


class AcceptanceResult(NamedTuple):
    """Result of accepting an exception: the payment's printed key and the entries posted.

    `was_accepted_before` is True if an earlier call accepted the exception. `postings` is then empty.
    """

    payment: str
    postings: tuple[LedgerPosting, ...]
    was_accepted_before: bool = False


def accept(tx: Transaction, finding_id: int, deposit_date: date | None, now: datetime, who: str) -> AcceptanceResult:
    """Post the entries that an exception proposes. A second call posts nothing.

    `deposit_date` must be in an open month. It defaults to today in the company's time zone. `who` is stored as the
    user of the entries. The call locks the line, then share-locks the months of the entries until the commit.

    Raises DecisionError if the exception cannot be accepted, if the payment has changed since the exception was opened,
    or if the date is in the future or in a month that is not open. Also raises it if the Amount Due is 0.00 and the
    patient is unknown (rule D2, row 10).
    """
    line, finding = locked_findings.lock(tx, finding_id)
    if finding.status is FindingStatus.RESOLVED:
        return AcceptanceResult(str(line.key), (), was_accepted_before=True)
    _check_acceptable(tx, line, finding)
    today = clinics.local_date(tx, line.company_id, now)
    if (
        deposit_date is None
        and finding.reason is FindingReason.ZERO_DUE
        and _are_open(tx, line, line.transaction_and_deposit_dates)
    ):
        postings, header = import_postings(line), EntryHeader(EntryKind.IMPORT, IMPORT_USER, now)
    else:
        day = deposit_date or today
        locked_findings.check_deposit_date(tx, line, finding.id, day, today)
        postings = tuple(each.to_posting(day) for each in proposed_adjustments(line))
        header = EntryHeader(EntryKind.ADJUSTMENT, who, now)
    refs = lines.write(tx, [apply_acceptance(line, postings)], now)
    # Entries of a line are numbered consecutively: a version may be adjusted, requeued and adjusted again.
    first, origin = line.next_part, EntryOrigin(finding.id)
    added = [NewEntry(line, posting, part, today, origin) for part, posting in enumerate(postings, first)]
    entries.post(tx, added, refs, header)
    distribution_queue.enqueue(tx, {(line.company_id, each.dimensions.patient_id) for each in postings}, now)
    findings.store_decision(tx, finding_id, FindingStatus.RESOLVED, Decision(now, who, line.acknowledged_hash))
    params = {"postings": posting_params(postings)}
    _record_history(tx, line, finding, HistoryEvent(now, HistoryCode.EXCEPTION_ACCEPTED, who, line.company_id, params))
    return AcceptanceResult(str(line.key), postings)


class SeenException(NamedTuple):
    """An exception as a user saw it: its id, and the version of its payment at that time."""

    finding_id: int
    version: int


def accept_if_unchanged(
    tx: Transaction, seen: SeenException, deposit_date: date | None, now: datetime, who: str
) -> AcceptanceResult:
    """Accept an exception if its payment is still at the version that the user saw.

    Raises DecisionError as `accept` does, and if the payment has changed since.
    """
    result = accept(tx, seen.finding_id, deposit_date, now, who)
    if not result.was_accepted_before:
        _check_unchanged(tx, seen)
    return result


def acknowledge_if_unchanged(tx: Transaction, seen: SeenException, reason: str, now: datetime, who: str) -> str:
    """Acknowledge an exception if its payment is still at the version that the user saw. Return the printed key.

    Raises DecisionError as `acknowledge` does, and if the payment has changed since.
    """
    payment = acknowledge(tx, seen.finding_id, reason, now, who)
    _check_unchanged(tx, seen)
    return payment


def _check_unchanged(tx: Transaction, seen: SeenException) -> None:
    # Checked last: this transaction holds the lock on the line by now, so the exception cannot change any more.
    version = findings.load(tx, [seen.finding_id])[seen.finding_id].version
    if version != seen.version:
        changed = f"you saw version {seen.version} of the payment and it is at {version} now"
        raise DecisionError(seen.finding_id, f"{changed}; nothing was posted")


def list_acceptable(tx: Transaction, company_id: str | None) -> list[int]:
    """Return the ids of the open exceptions that can be accepted. `company_id` limits them to one company.

    The caller accepts each exception in a separate transaction.
    """
    return [int(each.item_id) for each in acceptable_findings.load(tx, company_id)]


def list_auto_acceptable(tx: Transaction, now: datetime) -> list[WorkItem]:
    """Return the closed-month exceptions of companies whose policy accepts them automatically (rule D4).

    An exception is omitted if its acceptance has failed and the next attempt is not due yet.
    """
    found = acceptable_findings.load(tx, None, policy="auto")
    return postponed_work.drop_postponed(tx, WorkKind.ACCEPT_EXCEPTION, found, now)


def accept_by_policy(tx: Transaction, exception: WorkItem, now: datetime) -> None:
    """Accept an exception that `list_auto_acceptable` returned, and delete the record of its failed attempts.

    Raises the errors of `accept`.
    """
    accept(tx, int(exception.item_id), None, now, AUTO_POLICY)
    postponed_work.clear(tx, WorkKind.ACCEPT_EXCEPTION, exception)


def default_deposit_dates(tx: Transaction, company_ids: Iterable[str], now: datetime) -> dict[str, date]:
    """Return the default deposit date of an adjustment for each company: its current day (rule D4)."""
    return clinics.local_dates(tx, company_ids, now)


def list_companies_of_exceptions(tx: Transaction, finding_ids: Sequence[int]) -> list[str]:
    """Return the companies of these exceptions, sorted. Unknown ids are ignored."""
    return findings.list_companies(tx, finding_ids)


def acknowledge(tx: Transaction, finding_id: int, reason: str, now: datetime, who: str) -> str:
    """Close an exception without posting anything, and return the payment's printed key.

    A newer version of the payment opens another exception. Locks the line. Raises DecisionError if the exception is
    not open or if the reason is blank.
    """
    if not reason.strip():
        raise DecisionError(finding_id, "a reason is needed to acknowledge it")
    line, finding = locked_findings.lock(tx, finding_id)
    if finding.status is not FindingStatus.OPEN:
        raise DecisionError(finding_id, f"it was already {finding.status.words}")
    if finding.dead_letter_id is not None:
        dead_letters.close(tx, finding.dead_letter_id, now)
    if finding.version == line.version and (settled := apply_acknowledgement(line)) is not line:
        lines.write(tx, [settled], now)
    findings.store_decision(tx, finding_id, FindingStatus.ACKNOWLEDGED, Decision(now, who, line.acknowledged_hash))
    event = HistoryEvent(now, HistoryCode.EXCEPTION_ACKNOWLEDGED, who, line.company_id, detail=reason.strip())
    _record_history(tx, line, finding, event)
    return str(line.key)


def _check_acceptable(tx: Transaction, line: Line, finding: StoredFinding) -> None:
    if finding.status is not FindingStatus.OPEN:
        raise DecisionError(finding.id, f"it was already {finding.status.words}")
    if not finding.reason.can_be_accepted:
        raise DecisionError(finding.id, "there is nothing to accept; acknowledge it with a reason")
    if line.version != finding.version:
        saved_again = f"{line.key} was saved again (version {line.version})"
        raise DecisionError(finding.id, f"{saved_again}; look at the exception again")
    found = required_finding(line)
    if found is None or found.reason is not finding.reason or finding.attempts not in {None, line.attempts}:
        pending = f"{line.key} is being re-evaluated"
        raise DecisionError(finding.id, f"{pending}; look at the exception again afterwards")
    payer = (line.company_id, line.patient_id)
    if finding.reason is FindingReason.ZERO_DUE and payer not in patients.find_known(tx, [payer]):
        unknown = f"patient {line.patient_id} is not known to Billing yet"
        raise DecisionError(finding.id, f"{unknown}; accept it once the EMR has saved the patient")


def _are_open(tx: Transaction, line: Line, days: set[date]) -> bool:
    return locked_findings.open_days(tx, line, days) == days


def _record_history(tx: Transaction, line: Line, finding: StoredFinding, event: HistoryEvent) -> None:
    history.add(tx, [event._replace(line_ref=line.id, version=line.version, finding_ref=finding.id)])
