"""The state machine of an office whose biller also makes, reverses, links and unlinks manual entries."""

from datetime import date
from decimal import Decimal
from itertools import count

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule
from sqlalchemy import text

from payments.contract.event import ChargeType, Method
from payments.contract.money import dollars
from payments.core.manual_entry import EntryDraft, EntryError, EntryPurpose
from payments.journeys import balancing, linking, manual_entries
from payments.journeys.balancing import BalanceFilter
from payments.journeys.linking import LinkRequest, LinkTarget, UnlinkRequest
from payments.journeys.manual_entries import EntryRequest, ReversalRequest
from payments.store.db.connection import Transaction
from tests.builders.office import BILLER
from tests.journeys.office_state_machine import OfficeStateMachine
from tests.journeys.random_history import PATIENTS

LINKED_TO_LINE = """
SELECT coalesce(sum(amount), 0) FROM entry_links JOIN entries ON entries.id = entry_ref
JOIN lines ON lines.id = entry_links.line_ref WHERE ended_at IS NULL AND payment_id = :line
"""
MANUAL_ENTRIES_QUERY = "SELECT entry_ref FROM manual_entries ORDER BY entry_ref"
OTHER_COUNTS_QUERY = """
SELECT (SELECT count(*) FROM entries), (SELECT count(*) FROM entry_links WHERE ended_at IS NULL),
    (SELECT count(*) FROM findings WHERE status = 'open')
"""
which_one = st.integers(0, 5)


class ManualEntryStateMachine(OfficeStateMachine):
    """The office state machine, with additional steps that post, link, unlink and reverse manual entries."""

    keys = count()

    @rule(
        amount=st.sampled_from(["10.00", "20.00", "30.00", "-10.00", "-25.00"]),
        patient=st.sampled_from(PATIENTS),
        day=st.sampled_from(["2026-04-30", "2026-05-31", "2026-06-19", "2026-06-19", "2027-01-01"]),
        method=st.sampled_from([Method.CASH, Method.CHECK]),
        charge_type=st.sampled_from([ChargeType.COPAY, ChargeType.PAYMENT_ON_ACCOUNT]),
    )
    def post_entry(self, amount: str, patient: str, day: str, method: Method, charge_type: ChargeType) -> None:
        draft = EntryDraft(
            purpose=EntryPurpose.ADJUSTMENT,
            amount=dollars(amount),
            method=method,
            company_id="company",
            clinic_id="clinic",
            patient_id=patient,
            deposit_date=date.fromisoformat(day),
            charge_type=charge_type,
            reason="as agreed",
        )
        request = EntryRequest(f"request-{next(self.keys)}", draft)
        before, is_refused = self.rows(), False
        try:
            first = manual_entries.post(self.tx, request, self.office.now, BILLER)
        except EntryError:
            is_refused = True
            assert self.rows() == before
        assert is_refused == (any(day[:7] <= month for month in self.closed) or day > str(self.office.now.date()))
        if not is_refused:
            again = manual_entries.post(self.tx, request, self.office.now, BILLER)
            assert (again.was_posted_before, again.entry) == (True, first.entry)
            assert len(self.office.ledger_entries()) == before[0] + 1
        self.office.run_sweeps()

    @precondition(lambda self: self.office.open_exceptions())
    @rule(which=which_one, amount=st.sampled_from(["10.00", "difference", "difference"]))
    def post_entry_for_an_exception(self, which: int, amount: str) -> None:
        found = self.office.open_exceptions()
        chosen = found[which % len(found)]
        posted = dollars(amount) if amount != "difference" else chosen.difference
        draft = EntryDraft(EntryPurpose.ERROR_CORRECTION, posted, Method.CASH, reason="by hand")
        request = EntryRequest(f"request-{next(self.keys)}", draft, LinkTarget(finding_id=chosen.id))
        self.unless_refused(lambda: manual_entries.post(self.tx, request, self.office.now, BILLER))

    @precondition(lambda self: self.entries() and self.office.open_exceptions())
    @rule(entry=which_one, which=which_one)
    def link_entry(self, entry: int, which: int) -> None:
        found = self.office.open_exceptions()
        target = LinkTarget(finding_id=found[which % len(found)].id)
        request = LinkRequest(self.chosen(entry), target)
        self.unless_refused(lambda: linking.link(self.tx, request, self.office.now, BILLER))

    @precondition(lambda self: self.entries())
    @rule(entry=which_one)
    def unlink_entry(self, entry: int) -> None:
        request = UnlinkRequest(self.chosen(entry), "another payment")
        self.unless_refused(lambda: linking.unlink(self.tx, request, self.office.now, BILLER))

    @precondition(lambda self: self.entries())
    @rule(entry=which_one)
    def reverse_entry(self, entry: int) -> None:
        request = ReversalRequest(self.chosen(entry), "typed twice")
        self.unless_refused(lambda: manual_entries.reverse(self.tx, request, self.office.now, BILLER))

    @invariant()
    def nothing_is_unexplained(self) -> None:
        found = balancing.balance(self.tx, BalanceFilter())
        assert (found.unexplained, found.unbalanced_lines) == (0, [])

    def unless_refused(self, act) -> None:
        before = self.rows()
        try:
            act()
        except EntryError:
            assert self.rows() == before
        self.office.run_sweeps()

    def entries(self) -> list[int]:
        return list(self.tx.execute(text(MANUAL_ENTRIES_QUERY)).scalars())

    def chosen(self, entry: int) -> int:
        found = self.entries()
        return found[entry % len(found)]

    def rows(self) -> tuple:
        return tuple(self.tx.execute(text(OTHER_COUNTS_QUERY)).one())

    def posted(self, line: str) -> Decimal:
        linked = self.tx.execute(text(LINKED_TO_LINE), {"line": line}).scalar_one()
        return super().posted(line) + Decimal(linked)

    tx: Transaction
