"""The state machine of an office that also counts drawers and makes deposits, while payments change."""

from collections import Counter
from datetime import date

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule
from sqlalchemy import text

from payments.contract.event import Method
from payments.core.deposit import DepositDraft, DepositError
from payments.core.drawer import CashCount, DrawerCount, DrawerError, DrawerState
from payments.journeys import deposits, drawers
from payments.journeys.deposits import DepositFilter, DepositReversal, DepositSlip, UndepositedFilter
from payments.journeys.drawers import DrawerFilter, DrawerSheet, OpeningRequest, Stamp
from tests.builders.office import BILLER
from tests.journeys.manual_entry_state_machine import ManualEntryStateMachine

FIRST_DAY = date(2026, 4, 1)
EMR_AMOUNTS_QUERY = """
SELECT payment_id, method, amount_paid FROM lines
WHERE paid AND NOT deleted AND transaction_date BETWEEN :first AND :last
"""
ENTRIES_QUERY = "SELECT method, sum(amount) FROM entries GROUP BY method"
ALL = 1_000
which_one = st.integers(0, 5)


class MoneyStateMachine(ManualEntryStateMachine):
    """The state machine of manual entries, with additional steps that count drawers and make deposits."""

    def sheets(self) -> dict[int, DrawerSheet]:
        return self.__dict__.setdefault("locked_sheets", {})

    def slips(self) -> dict[int, DepositSlip]:
        return self.__dict__.setdefault("made_slips", {})

    @rule(day=st.sampled_from([FIRST_DAY, date(2026, 5, 31), date(2026, 6, 20)]))
    def open_drawer(self, day: date) -> None:
        first = FIRST_DAY if not self.all_drawers() else day
        try:
            drawers.open_drawer(self.tx, OpeningRequest("clinic", day=first), self.office.now, BILLER)
        except DrawerError:
            newest = self.all_drawers()[0].drawer
            assert newest.locked_at is None or day < newest.day

    @precondition(lambda self: self.all_drawers())
    @rule(is_right=st.booleans(), who=st.sampled_from(["user:ann", "user:ben"]))
    def count_newest_drawer(self, is_right: bool, who: str) -> None:
        newest = self.all_drawers()[0].drawer
        expected = drawers.show(self.tx, newest.id).summary.methods
        others = {each.method: each.expected for each in expected if each.method is not Method.CASH}
        counted = DrawerCount(CashCount(bills_20=1), others, "as agreed" if is_right else "")
        try:
            found = drawers.count(self.tx, newest.id, counted, Stamp(self.office.now, who))
        except DrawerError:
            assert newest.closed_at is not None
            return
        assert found.state is not DrawerState.LOCKED or not is_right
        self.sheets()[newest.id] = drawers.show(self.tx, newest.id)

    @precondition(lambda self: self.all_drawers())
    @rule(who=st.sampled_from(["user:ann", "user:ben"]))
    def close_newest_drawer(self, who: str) -> None:
        newest = self.all_drawers()[0]
        may_close = newest.state is DrawerState.BALANCED and who not in {each.counted_by for each in newest.counts}
        try:
            drawers.close(self.tx, newest.drawer.id, Stamp(self.office.now, who))
        except DrawerError:
            assert not may_close
            return
        assert may_close or newest.state is DrawerState.CLOSED
        self.sheets()[newest.drawer.id] = drawers.show(self.tx, newest.drawer.id)

    @rule(method=st.sampled_from([Method.CASH, Method.CHECK]), skipped=which_one)
    def make_deposit(self, method: Method, skipped: int) -> None:
        found = deposits.list_undeposited(self.tx, UndepositedFilter(method=method), ALL)
        entries = tuple(each.id for number, each in enumerate(found) if number != skipped)
        draft = DepositDraft(f"deposit-{next(self.keys)}", "clinic", method, "bank", entries)
        try:
            slip = deposits.make(self.tx, draft, self.office.now, BILLER)
        except DepositError:
            assert sum(each.amount for each in found if each.id in entries) <= 0
            return
        self.slips()[slip.deposit.id] = slip
        assert deposits.make(self.tx, draft, self.office.now, BILLER).deposit == slip.deposit

    @precondition(lambda self: self.slips())
    @rule(which=which_one)
    def reverse_deposit(self, which: int) -> None:
        chosen = [*self.slips()][which % len(self.slips())]
        deposits.reverse(self.tx, DepositReversal(chosen, "a mistake"), self.office.now, BILLER)

    @invariant()
    def drawers_hold_what_the_emr_states_and_locked_ones_stay(self) -> None:
        found = self.all_drawers()
        if not found:
            return
        held: Counter[tuple[str, str]] = Counter()
        for each in found:
            sheet = drawers.show(self.tx, each.drawer.id)
            assert self.sheets().get(each.drawer.id, sheet) == sheet
            for line in sheet.lines:
                held[line.payment.split("/")[1], line.method] += line.amount
        if found[0].drawer.locked_at is None:
            stated = self.tx.execute(text(EMR_AMOUNTS_QUERY), {"first": FIRST_DAY, "last": found[0].drawer.day})
            assert {key: amount for key, amount in held.items() if amount} == {
                (payment, method): amount for payment, method, amount in stated if amount
            }

    @invariant()
    def deposits_and_the_rest_are_the_entries_and_slips_stay(self) -> None:
        for deposit_id, slip in self.slips().items():
            shown = deposits.show(self.tx, deposit_id)
            assert (shown.entries, shown.deposit._replace(reversed_by=None)) == (slip.entries, slip.deposit)
        sums: Counter[str] = Counter()
        for deposit in deposits.list_deposits(self.tx, DepositFilter()):
            sums[deposit.method] += deposit.total
        posted = dict(self.tx.execute(text(ENTRIES_QUERY)).all())
        for method, amount in posted.items():
            rest = deposits.list_undeposited(self.tx, UndepositedFilter(method=method), ALL)
            assert sums[method] + sum(each.amount for each in rest) == amount

    def all_drawers(self) -> list[drawers.DrawerSummary]:
        return drawers.list_drawers(self.tx, DrawerFilter())
