"""Open, count and close the drawers of clinics, and show their day sheets (rule D10).

Locks: the drawers of the clinic, by an advisory lock until the commit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from payments.contract.event import Method
from payments.contract.keys import ClinicKey
from payments.contract.money import ZERO, Money, total
from payments.core.drawer import (
    DrawerCount,
    DrawerError,
    DrawerState,
    LineKind,
    MethodBalance,
    balances,
    check_closing,
    check_count,
    check_opening,
    state_of,
)
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.connection import Transaction
from payments.store.feed import drawer_lines
from payments.store.feed.drawer_lines import DrawerLine
from payments.store.ledger import clinics, company_moves, drawers
from payments.store.ledger.drawers import DrawerFilter, Stamp, StoredCount, StoredDrawer

__all__ = ["DrawerError", "DrawerFilter", "DrawerLine", "DrawerState", "Stamp", "StoredCount", "StoredDrawer"]

DRAWERS_MAX = 500
"""The largest number of drawers that a list returns."""


class OpeningRequest(NamedTuple):
    """A request to open a drawer. The company may be None if one company of the user has the clinic.

    `day` defaults to the current day. `starting_cash` is the cash in the drawer before the first payment, in dollars.
    It defaults to that of the clinic's last drawer, or 0.00.
    """

    clinic_id: str
    company_id: str | None = None
    day: date | None = None
    starting_cash: Money | None = None


class OpeningResult(NamedTuple):
    """An open drawer. `was_open_before` is True if an earlier request opened it. Nothing was changed then."""

    drawer: StoredDrawer
    was_open_before: bool = False


@dataclass(frozen=True, slots=True)
class DrawerSummary:
    """A drawer with its state, the balance of each method, and its counts, oldest first."""

    drawer: StoredDrawer
    methods: Sequence[MethodBalance]
    state: DrawerState
    counts: Sequence[StoredCount]

    @property
    def last_count(self) -> StoredCount | None:
        """The count that matters, None for an open drawer."""
        return self.counts[-1] if self.counts else None

    @property
    def expected(self) -> Money:
        """The dollars that the drawer should hold, of all methods."""
        return total(each.expected for each in self.methods)

    @property
    def counted(self) -> Money | None:
        """The dollars that were counted, of all methods. None for an open drawer."""
        return total(each.counted or ZERO for each in self.methods) if self.counts else None

    @property
    def difference(self) -> Money | None:
        """Counted less expected, of all methods. None for an open drawer."""
        return None if self.counted is None else self.counted - self.expected


@dataclass(frozen=True, slots=True)
class DrawerSheet:
    """The day sheet of a drawer: its summary and its payments."""

    summary: DrawerSummary
    lines: Sequence[DrawerLine]

    @property
    def late(self) -> list[DrawerLine]:
        """The late payments and the changes: they belong to drawers that were locked before."""
        return [line for line in self.lines if line.kind is not LineKind.OF_DAY]

    @property
    def late_total(self) -> Money:
        """The sum of `late` in dollars."""
        return total(line.amount for line in self.late)


def open_drawer(
    tx: Transaction, request: OpeningRequest, now: datetime, who: str, scope: Scope = EVERYTHING
) -> OpeningResult:
    """Open a drawer for the next shift of a day. If the clinic has an open drawer of this day, return it.

    Raises DrawerError if the scope does not have exactly one such clinic, if the clinic has an open drawer of another
    day, or if a rule refuses the day or the cash.
    """
    clinic = _clinic(tx, request, scope)
    drawers.lock_clinic(tx, clinic)
    today = clinics.local_date(tx, clinic.company_id, now)
    newest = drawers.newest(tx, clinic)
    day = request.day or today
    if newest is not None and newest.locked_at is None:
        if newest.day == day:
            return OpeningResult(newest, was_open_before=True)
        raise DrawerError(f"drawer {newest.id} of {newest.day} is open; count it first")
    cash = request.starting_cash
    if cash is None:
        cash = newest.starting_cash if newest else ZERO
    check_opening(day, cash, today, newest.day if newest else None)
    return OpeningResult(drawers.add(tx, clinic, day, cash, Stamp(now, who)))


def count(
    tx: Transaction, drawer_id: int, counted: DrawerCount, stamp: Stamp, scope: Scope = EVERYTHING
) -> DrawerSummary:
    """Count a drawer. The first count locks the drawer, with the payments of that moment. The last count matters.

    A count that repeats the last one changes nothing. Raises DrawerError if the drawer is closed, if the count breaks a
    rule, if the scope has no such drawer, or if its company has moved to another installation.
    """
    check_count(counted)
    drawer = _locked_row(tx, drawer_id, scope)
    if drawer.closed_at is not None:
        raise DrawerError(f"drawer {drawer.id} is closed; what was missed falls into the next drawer")
    if drawer.locked_at is None:
        drawer_lines.take(tx, drawer)
        drawers.lock(tx, drawer, stamp)
        drawer = drawers.find(tx, drawer_id)
    summary = _summary(tx, drawer)
    counted = counted._replace(reason=counted.reason.strip())
    if summary.last_count is None or not _is_repeated(summary.last_count, counted, stamp.who):
        drawers.add_count(tx, drawer, counted, stamp)
    return _summary(tx, drawer)


def close(tx: Transaction, drawer_id: int, stamp: Stamp, scope: Scope = EVERYTHING) -> DrawerSummary:
    """Close a balanced drawer that other persons have counted. A second call changes nothing.

    Raises DrawerError if the drawer is not balanced, if the user has counted it, if the scope has no such drawer, or if
    its company has moved to another installation.
    """
    drawer = _locked_row(tx, drawer_id, scope)
    summary = _summary(tx, drawer)
    if summary.state is DrawerState.CLOSED:
        return summary
    check_closing(summary.state, {each.counted_by for each in summary.counts}, stamp.who)
    drawers.close(tx, drawer, stamp)
    return _summary(tx, drawers.find(tx, drawer_id))


def show(tx: Transaction, drawer_id: int, scope: Scope = EVERYTHING) -> DrawerSheet:
    """Return the day sheet of a drawer. Raises DrawerError if the scope has no drawer with this id."""
    drawer = find(tx, drawer_id, scope)
    lines, counts = drawer_lines.read(tx, drawer, scope), drawers.counts(tx, [drawer])
    payments = {method: total(line.amount for line in lines if line.method is method) for method in Method}
    return DrawerSheet(_summarize(drawer, payments, counts.get(drawer.id, [])), lines)


def find(tx: Transaction, drawer_id: int, scope: Scope = EVERYTHING) -> StoredDrawer:
    """Return a drawer without its payments. Raises DrawerError if the scope has no drawer with this id."""
    return drawers.find(tx, drawer_id, scope)


def list_drawers(tx: Transaction, chosen: DrawerFilter) -> list[DrawerSummary]:
    """Return up to DRAWERS_MAX drawers that match a filter, the newest day first.

    For an open drawer, the sums of the payments are not computed: they are 0.00.
    """
    found = drawers.read(tx, chosen, DRAWERS_MAX)
    counts, sums = drawers.counts(tx, found), drawer_lines.sums_of_locked(tx, found)
    return [_summarize(each, sums.get(each.id, {}), counts.get(each.id, [])) for each in found]


def _clinic(tx: Transaction, request: OpeningRequest, scope: Scope) -> ClinicKey:
    """Return the clinic of a request. Raises DrawerError if the scope has no such clinic, or several."""
    chosen = scope.narrowed_to_company(request.company_id).narrowed_to_clinic(request.clinic_id)
    found = clinics.list_keys(tx, chosen)
    if not found:
        raise DrawerError(f"there is no clinic {request.clinic_id}")
    if len(found) > 1:
        raise DrawerError(f"several companies have a clinic {request.clinic_id}; name the company")
    return found[0]


def _locked_row(tx: Transaction, drawer_id: int, scope: Scope) -> StoredDrawer:
    """Lock the drawers of a drawer's clinic, and return the drawer.

    Raises DrawerError if the scope has no drawer with this id, or if its company has moved to another installation.
    """
    drawers.lock_clinic(tx, drawers.find(tx, drawer_id, scope).clinic)
    drawer = drawers.find(tx, drawer_id, scope)
    if not company_moves.has_not_moved(tx, drawer.company_id):
        raise DrawerError(f"company {drawer.company_id} has moved to another installation")
    return drawer


def _summary(tx: Transaction, drawer: StoredDrawer) -> DrawerSummary:
    return _summarize(drawer, drawer_lines.sums(tx, drawer), drawers.counts(tx, [drawer]).get(drawer.id, []))


def _summarize(drawer: StoredDrawer, payments: Mapping[Method, Money], counts: Sequence[StoredCount]) -> DrawerSummary:
    last = counts[-1].count if counts else None
    methods = balances(payments, drawer.starting_cash, last)
    return DrawerSummary(drawer, methods, state_of(methods, last, is_closed=drawer.closed_at is not None), counts)


def _is_repeated(last: StoredCount, counted: DrawerCount, who: str) -> bool:
    is_same = all(last.count.of(method) == counted.of(method) for method in Method)
    return is_same and (last.count.cash, last.count.reason, last.counted_by) == (counted.cash, counted.reason, who)
