"""Put right what a closed month no longer takes: accept a proposal, once, or acknowledge that nothing is to be posted."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import NamedTuple

from payments.core.finding import FindingReason, FindingStatus, accepted, proposed
from payments.core.line import IMPORT_USER, EntryKind, Line, Posting
from payments.core.month import Month, MonthState
from payments.store import entries, findings, history, inbox, lines, months
from payments.store.entries import NewEntry, Stamp
from payments.store.factbook import local_day
from payments.store.findings import StoredFinding
from payments.store.history import Happening
from payments.store.session import Transaction


class AdjustingError(ValueError):
    """An exception cannot be accepted or acknowledged as asked; nothing was posted."""

    def __init__(self, finding_id: int, problem: str) -> None:
        self.finding_id = finding_id
        super().__init__(f"exception {finding_id}: {problem}")


class Accepted(NamedTuple):
    """What accepting came to: the payment, and the entries that it posted (none if it was accepted before)."""

    payment: str
    postings: tuple[Posting, ...]
    before: bool = False


def accept(tx: Transaction, finding_id: int, deposit_date: date | None, now: datetime, who: str) -> Accepted:
    """Post what an exception proposes, with a deposit date in an open month; a second time posts nothing.

    Without a date it is today, company time. Raises AdjustingError where the exception cannot be accepted, the payment
    has changed since it was found, or the date lies in the future or in a month that is not open.
    """
    line, finding = _hold(tx, finding_id)
    if finding.status is FindingStatus.RESOLVED:
        return Accepted(str(line.key), (), before=True)
    _must_be_open(finding)
    if not finding.reason.can_be_accepted:
        raise AdjustingError(finding_id, f"{finding.reason}: nothing to accept; acknowledge it with a reason")
    if line.version != finding.version:
        problem = f"{line.key} was saved again (version {line.version}); look at what the exception says now"
        raise AdjustingError(finding_id, problem)
    today = local_day(tx, line.company_id, now)
    day, stamp = _how(tx, finding, line, deposit_date or today, Stamp(EntryKind.ADJUSTMENT, who, now))
    if deposit_date:
        day = deposit_date
    _check_deposit_date(tx, finding, line, day, today)
    postings = tuple(each.deposited_on(day) for each in proposed(line))
    refs = lines.write(tx, [accepted(line, postings)])
    numbered = enumerate(postings, 1)
    entries.post(tx, [NewEntry(line, posting, part, today) for part, posting in numbered], refs, stamp)
    findings.end(tx, [finding_id], FindingStatus.RESOLVED, now, who)
    detail = "; ".join(f"{each.amount} {each.bearing.method} to {each.bearing.deposit_date}" for each in postings)
    history.add(tx, [_happening(line, "Exception accepted", detail or "Nothing to post", now, who)])
    return Accepted(str(line.key), postings)
