"""Make and end links of manual entries to lines, and update the line and its exception (rule D4).

A linked entry counts in the posted amount of the line, so the difference of the line is computed again. The entry
itself never changes. The caller holds the lock of the entry.
"""

from typing import NamedTuple

from payments.contract.money import Money
from payments.core.finding import Finding, FindingReason, FindingStatus, required_finding
from payments.core.history import HistoryCode, posting_params
from payments.core.line import EntryDimensions, LedgerPosting, Line
from payments.core.manual_entry import EntryError, ManualEntry, can_be_linked, with_changed_links
from payments.core.outcome import Held
from payments.core.scope import Scope
from payments.store.db.connection import Transaction
from payments.store.ledger import distribution_queue, examinations, findings, history, lines, manual_entries
from payments.store.ledger.findings import Examination
from payments.store.ledger.history import HistoryEvent
from payments.store.ledger.manual_entries import PostingStamp, StoredEntry


class LinkChange(NamedTuple):
    """The result of making or ending a link: the payment, and the amount that is still to be posted for it, in dollars.

    `is_settled` is True if the payment needs no exception now. `was_changed_before` is True if nothing was changed now,
    because the link was already as requested.
    """

    payment: str
    difference: Money
    is_settled: bool
    was_changed_before: bool = False


def check_linkable(entry: ManualEntry, line: Line) -> None:
    """Raise EntryError unless an entry may be linked to a line that this transaction has locked."""
    if not entry.purpose.is_by_hand:
        raise EntryError("an entry of a refund or a transfer is not linked to an exception")
    own = (entry.company_id, entry.clinic_id, entry.patient_id)
    if own != (line.company_id, line.key.clinic_id, line.patient_id):
        theirs = f"patient {line.patient_id} in clinic {line.key.clinic_id}"
        raise EntryError(f"payment {line.key} is of {theirs}; the entry is of another patient or clinic")
    if not can_be_linked(line):
        raise EntryError(f"payment {line.key} has no difference in a closed month, so no entry can be linked to it")


def attach(tx: Transaction, entry: StoredEntry, line: Line, finding_ref: int | None, stamp: PostingStamp) -> LinkChange:
    """Link an entry that passed all checks to a line that this transaction has locked.

    `finding_ref` is the exception that the user has chosen, None for the open one of the line.
    """
    assert line.id is not None  # noqa: S101 (it was read)
    opened = findings.load_open(tx, [line.id]).get(line.id)
    finding_ref = finding_ref or (opened.id if opened else None)
    manual_entries.link(tx, entry, line.id, finding_ref, stamp)
    _record(tx, entry, line, HistoryEvent(stamp.at, HistoryCode.EXCEPTION_ENTRY_LINKED, stamp.who, None), finding_ref)
    return _recompute(tx, line.id, stamp)


def detach(tx: Transaction, entry: StoredEntry, reason: str, stamp: PostingStamp) -> LinkChange:
    """End the link of an entry to its line. Locks the line."""
    assert entry.line_ref is not None  # noqa: S101 (the caller has checked it)
    (line,) = lines.lock_by_id(tx, [entry.line_ref], wait=True).values()
    manual_entries.end_link(tx, entry, reason, stamp)
    event = HistoryEvent(stamp.at, HistoryCode.EXCEPTION_ENTRY_UNLINKED, stamp.who, None, detail=reason)
    opened = findings.load_open(tx, [entry.line_ref]).get(entry.line_ref)
    finding_ref = opened.id if opened else findings.newest_of_line(tx, line.company_id, entry.line_ref)
    _record(tx, entry, line, event, finding_ref)
    return _recompute(tx, entry.line_ref, stamp)


def payment_of(tx: Transaction, entry: StoredEntry, scope: Scope) -> str | None:
    """Return the printed key of the payment that an entry is linked to, or None."""
    if entry.line_ref is None:
        return None
    return lines.printed_keys(tx, [entry.line_ref], scope).get(entry.line_ref)


def _recompute(tx: Transaction, line_ref: int, stamp: PostingStamp) -> LinkChange:
    """Update a locked line and its exception after a link of the line was made or ended."""
    (before,) = lines.lock_by_id(tx, [line_ref], wait=True).values()
    line = with_changed_links(before)
    if line is not before:
        lines.write(tx, [line], stamp.at)
    distribution_queue.enqueue(tx, {(line.company_id, line.patient_id)}, stamp.at)
    _update_finding(tx, line, required_finding(line), stamp)
    return link_change_of(line)


def _update_finding(tx: Transaction, line: Line, found: Finding | None, stamp: PostingStamp) -> None:
    """Close, change or open the exception of a line. An acknowledged exception is not changed."""
    assert line.id is not None  # noqa: S101 (it was read)
    opened = findings.load_open(tx, [line.id]).get(line.id)
    if isinstance(line.outcome, Held) or (opened is not None and opened.reason is FindingReason.VERSION_CONFLICT):
        return  # the sweep does it, once the line is evaluated or the conflict is resolved
    event = HistoryEvent(stamp.at, HistoryCode.EXCEPTION_CLOSED, stamp.who, line.company_id)
    event = event._replace(line_ref=line.id, version=line.version)
    if opened is not None and found is None:
        findings.close(tx, [opened.id], FindingStatus.AUTO_CLOSED, stamp.at, stamp.who)
        history.add(tx, [event._replace(params={"reason": opened.reason}, finding_ref=opened.id)])
    elif opened is not None and found is not None:
        examined = examinations.examine_attempt(tx, line, found)
        findings.update(tx, {opened.id: examined}, stamp.at)
        history.add(tx, [_found_event(event, HistoryCode.EXCEPTION_RECOMPUTED, opened.id, examined)])
    elif found is not None and found.reason is FindingReason.CLOSED_MONTH:
        _open(tx, examinations.examine_attempt(tx, line, found), event)


def _open(tx: Transaction, examined: Examination, event: HistoryEvent) -> None:
    """Open an exception for a line that has none open.

    If an exception of the same version and attempt was decided before, no exception is added: a resolved exception is
    reopened, an acknowledged one stays as it is.
    """
    line = examined.line
    assert line.id is not None  # noqa: S101 (it was read)
    decided = findings.decided_of_attempt(tx, line)
    if decided is not None and decided.status is FindingStatus.ACKNOWLEDGED:
        return
    if decided is not None:
        findings.reopen(tx, decided.id, examined.finding, event.at)
        finding_id = decided.id
    else:
        finding_id = findings.add(tx, [examined], event.at)[line.id]
    history.add(tx, [_found_event(event, HistoryCode.EXCEPTION_OPENED, finding_id, examined)])


def _found_event(event: HistoryEvent, code: HistoryCode, finding_id: int, examined: Examination) -> HistoryEvent:
    return event._replace(code=code, finding_ref=finding_id, params=examinations.history_params(examined))


def link_change_of(line: Line, *, was_changed_before: bool = False) -> LinkChange:
    """Return the payment and the present difference of a line, as the result of making or ending a link."""
    target = line.outcome.target
    difference = (line.posted if target is None else target) - line.posted
    return LinkChange(str(line.key), difference, required_finding(line) is None, was_changed_before)


def _record(tx: Transaction, entry: StoredEntry, line: Line, event: HistoryEvent, finding_ref: int | None) -> None:
    content = entry.content
    dimensions = EntryDimensions(
        patient_id=content.patient_id,
        charge_type=content.charge_type,
        method=content.method,
        provider_id=content.provider_id,
        date_of_service=content.date_of_service,
        deposit_date=content.deposit_date,
    )
    params = {"entry": entry.id, "postings": posting_params((LedgerPosting(content.amount, dimensions),))}
    history.add(
        tx,
        [
            event._replace(
                company_id=line.company_id,
                params=params,
                line_ref=line.id,
                version=line.version,
                finding_ref=finding_ref,
            )
        ],
    )
