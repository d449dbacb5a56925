"""Balancing: reconcile the EMR's payments with Billing's imports, to the cent and by line (rule D9).

EMR total = Billing total + all reconciling items + unexplained. Each item is computed from its own data, never as a
remainder, so that `unexplained` shows every error.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Protocol

from payments.contract.money import ZERO, Money, total
from payments.contract.payment_log import UNKNOWN_DETAILS, PaymentDetails
from payments.core.balanced_line import BalancedLine, BalancingNote, BalancingNoteCode, LineGroup, ReconcilingItem
from payments.core.outcome import ClosedMonth, Held, NotSent, Outcome, Reason, Removed, Status, ZeroDue
from payments.core.patient import NO_PATIENT, PatientOfLine

__all__ = ["BalancedLine", "BalancingNote", "BalancingNoteCode", "LineGroup", "ReconcilingItem"]


@dataclass(frozen=True, slots=True)
class LineComparison:
    """One line as the EMR has it and as Billing has it, for a range of days. Amounts are in dollars.

    - `is_in_range`: whether the line's transaction date is in the range.
    - `emr_amount`: the amount in the EMR, 0.00 if it is not in the range.
    - `accepted_amount`: the amount in the newest version that Billing could evaluate.
    - `latest_amount`: the amount in the newest event, even if that event is a dead letter.
    - `rejected_status`: the status of the newest event if it is a dead letter, otherwise None.
    - `imported_in_range`, `imported_elsewhere`: the sums of the import entries whose deposit date is in the range, and
      of all other import entries; `adjusted`: the sum of the line's entries that are not imports; `linked`: the sum of
      the manual entries that a user linked to the line.
    - `feed`: the line's details in the feed; `log`: the line's details in the EMR's Payment Log, if it is compared.
    """

    payment: str | None
    company: str | None
    clinic: str | None
    is_in_range: bool
    emr_amount: Money
    latest_amount: Money
    accepted_amount: Money
    rejected_status: Status | None
    outcome: Outcome | None
    imported_in_range: Money
    imported_elsewhere: Money = ZERO
    adjusted: Money = ZERO
    linked: Money = ZERO
    feed: PaymentDetails = UNKNOWN_DETAILS
    log: PaymentDetails | None = None
    patient: PatientOfLine = NO_PATIENT


class LineCollection(Protocol):
    """A collection of the lines on which the EMR and Billing differ."""

    def append(self, line: BalancedLine, /) -> None:
        """Add a line."""

    def __iter__(self) -> Iterator[BalancedLine]:
        """Yield the lines."""


@dataclass(slots=True)
class Balance:
    """The sums of all lines, and the lines on which the EMR and Billing differ. Amounts are in dollars.

    `equal`, `different` and `unexplained_count` are numbers of lines. An unexplained line also counts as different.
    `counts` holds the number of differing lines in each group. `lines` holds the differing lines. `manual_entries` is
    the sum of the manual entries with a deposit date in the range. The EMR does not have these entries, so no other
    amount contains them. The only exception: `items` contains the manual entries that belong to payments.
    """

    emr_total: Money = ZERO
    billing_total: Money = ZERO
    items: dict[ReconcilingItem, Money] = field(default_factory=lambda: dict.fromkeys(ReconcilingItem, ZERO))
    equal: int = 0
    different: int = 0
    unexplained_count: int = 0
    counts: Counter[LineGroup] = field(default_factory=Counter)
    lines: LineCollection = field(default_factory=list[BalancedLine])
    manual_entries: Money = ZERO

    @property
    def unexplained(self) -> Money:
        """The difference between the totals that no item explains. It is 0.00 unless something is wrong."""
        return self.emr_total - self.billing_total - total(self.items.values())

    @property
    def unbalanced_lines(self) -> list[BalancedLine]:
        """The lines with an unexplained difference. The differences of several lines may add up to 0.00."""
        return [line for line in self.lines if line.unexplained]

    def add(self, line: BalancedLine) -> None:
        """Add a line to the sums and counts. Keep it in `lines` if the EMR and Billing differ on it."""
        self.emr_total += line.emr
        self.billing_total += line.billing
        for item, amount in line.items.items():
            self.items[item] += amount
        if line.is_equal:
            self.equal += line.count
        else:
            self.different += 1
            self.unexplained_count += bool(line.unexplained)
            self.counts.update(line.groups)
            self.lines.append(line)


def reconcile(line: LineComparison) -> BalancedLine:
    """Compute the reconciling items and the notes of a line, and return the balanced line.

    A line whose transaction date is outside the range has at most one item: the amount that Billing imported in the
    range, as a date difference.
    """
    items = _items_in_range(line) if line.is_in_range else {ReconcilingItem.DATE_DIFFERENCES: -line.imported_in_range}
    balanced = BalancedLine(
        payment=line.payment,
        company=line.company,
        clinic=line.clinic,
        emr=line.emr_amount,
        billing=line.imported_in_range,
        items={item: items[item] for item in ReconcilingItem if items.get(item)},
        day=line.feed.day,
        charge_type=line.feed.charge_type,
        patient=line.patient,
    )
    return replace(balanced, notes=_notes(line, balanced.unexplained))


def _items_in_range(line: LineComparison) -> dict[ReconcilingItem, Money]:
    items = dict.fromkeys(ReconcilingItem, ZERO)
    if line.rejected_status:
        is_not_sent = line.rejected_status is Status.NOT_SENT
        item = ReconcilingItem.NOT_SENT if is_not_sent else ReconcilingItem.INVALID
        items[item] += line.latest_amount - line.accepted_amount
    if line.outcome:
        _add_outcome(items, line, line.outcome)
    items[ReconcilingItem.PRIOR_PERIOD] += line.adjusted
    items[ReconcilingItem.MANUAL] += line.linked
    items[ReconcilingItem.DATE_DIFFERENCES] += line.imported_elsewhere
    return items


def _add_outcome(items: dict[ReconcilingItem, Money], line: LineComparison, outcome: Outcome) -> None:
    """Add to `items` the amount that is not in Billing because of the outcome.

    For a closed month, also add the amount that is not posted yet because its exception is open.
    """
    posted = line.imported_in_range + line.imported_elsewhere + line.adjusted + line.linked
    target = posted if outcome.target is None else outcome.target
    if item := _exclusion_item(outcome):
        items[item] += line.accepted_amount - target
    if isinstance(outcome, ClosedMonth):
        items[ReconcilingItem.CLOSED_MONTH] += target - posted


def _exclusion_item(outcome: Outcome) -> ReconcilingItem | None:
    """Return the item that explains why a line with this outcome is not in Billing, or not yet.

    Returns None if the line's whole amount belongs in Billing.
    """
    match outcome:
        case Held():
            return ReconcilingItem.PENDING
        case ZeroDue():
            return ReconcilingItem.ZERO_DUE
        case NotSent(reason) | Removed(reason) | ClosedMonth(reason=reason) if reason:
            return ReconcilingItem.INTERNAL if reason is Reason.INTERNAL_PAYMENT else ReconcilingItem.NOT_SENT
        case _:
            return None


def _notes(line: LineComparison, unexplained: Money) -> tuple[BalancingNote, ...]:
    """Return notes on how the EMR and Billing differ on a line.

    The line is only in the EMR, only in Billing, or some of its fields differ. If no field differs but `unexplained`
    (in dollars) is not 0.00, the note says that Billing's amount is wrong.
    """
    if line.outcome is None:
        return (BalancingNote(BalancingNoteCode.ONLY_IN_EMR),)
    if line.log is None and line.is_in_range and line.emr_amount != line.latest_amount:
        return (BalancingNote(BalancingNoteCode.ONLY_IN_BILLING),)
    differences = _difference_notes(line, line.log) if line.log else ()
    return (BalancingNote(BalancingNoteCode.WRONG_IN_BILLING),) if unexplained and not differences else differences


def _difference_notes(line: LineComparison, log: PaymentDetails) -> tuple[BalancingNote, ...]:
    sides = [(name, getattr(log, name), getattr(line.feed, name)) for name in PaymentDetails._fields]
    if line.is_in_range and log.day == line.feed.day:
        sides.insert(0, ("amount", line.emr_amount, line.latest_amount))
    return tuple(
        BalancingNote(BalancingNoteCode.DIFFERENT, name, in_emr, in_billing)
        for name, in_emr, in_billing in sides
        if in_emr is not None and in_billing is not None and in_emr != in_billing
    )


def last_full_week(today: date) -> tuple[date, date]:
    """Return the Monday and the Sunday of the last week that ended before today's week."""
    monday = today - timedelta(days=today.weekday() + 7)
    return monday, monday + timedelta(days=6)
