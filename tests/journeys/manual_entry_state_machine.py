"""The state machine of an office whose biller also makes manual entries, pays money back and moves it."""

from datetime import date
from decimal import Decimal
from itertools import count

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule
from sqlalchemy import text

from payments.contract.event import ChargeType, Method
from payments.contract.money import dollars
from payments.core.manual_entry import EntryDraft, EntryError, EntryPurpose
from payments.core.repayment import RepaymentDraft, RepaymentError, RepaymentKind, RepaymentState
from payments.core.transfer import TransferDraft, TransferError, TransferState
from payments.journeys import balancing, distributing, linking, manual_entries, repaying, transferring
from payments.journeys.balancing import BalanceFilter
from payments.journeys.linking import LinkRequest, LinkTarget, UnlinkRequest
from payments.journeys.manual_entries import EntryRequest, ReversalRequest
from payments.journeys.repaying import Issue, Repayment, RepaymentFilter, RepaymentRequest, RepaymentTarget, Void
from payments.journeys.transferring import Transfer, TransferFilter, TransferRequest, Undo
from payments.store.db.connection import Transaction
from tests.builders.office import BILLER
from tests.journeys.office_state_machine import OfficeStateMachine
from tests.journeys.random_history import PATIENTS

LINKED_AMOUNT_QUERY = """
SELECT coalesce(sum(amount), 0) FROM entry_links JOIN entries ON entries.id = entry_ref
JOIN lines ON lines.id = entry_links.line_ref WHERE ended_at IS NULL AND payment_id = :line
"""
MANUAL_ENTRIES_QUERY = "SELECT entry_ref FROM manual_entries ORDER BY entry_ref"
ROW_COUNTS_QUERY = """
SELECT (SELECT count(*) FROM entries), (SELECT count(*) FROM entry_links WHERE ended_at IS NULL),
    (SELECT count(*) FROM findings WHERE status = 'open'), (SELECT count(*) FROM repayments),
    (SELECT count(*) FROM repayments WHERE issued_at IS NULL AND voided_at IS NULL), (SELECT count(*) FROM transfers)
"""
UNBALANCED_TRANSFERS_QUERY = """
SELECT count(*) FROM (SELECT FROM manual_entries JOIN entries ON entries.id = entry_ref WHERE purpose = 'transfer'
    GROUP BY entries.company_id, clinic_id, deposit_date, method HAVING sum(amount) <> 0) AS unbalanced
"""
PAYMENT_KEYS_QUERY = "SELECT clinic_id || '/' || payment_id || '/' || line_id FROM lines ORDER BY id"
which_one = st.integers(0, 5)
maybe_one = st.one_of(st.none(), which_one)


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

    @rule(
        amount=st.sampled_from(["5.00", "10.00", "40.00"]),
        patient=st.sampled_from(PATIENTS),
        which=maybe_one,
    )
    def request_refund(self, amount: str, patient: str, which: int | None) -> None:
        """Request a refund of a credit, of a manual entry, or of a payment."""
        target = self.source_of_money(patient, which)
        draft = RepaymentDraft(RepaymentKind.REFUND, dollars(amount), "paid twice", Method.CHECK)
        asked = RepaymentRequest(f"request-{next(self.keys)}", draft, target)
        self.unless_refused(lambda: repaying.request(self.tx, asked, self.office.now, BILLER))

    @precondition(lambda self: self.refunds())
    @rule(which=which_one)
    def issue_refund(self, which: int) -> None:
        """Issue a refund. It is refused without an approval, and the account never lends money for it."""
        found = self.refunds()
        chosen = found[which % len(found)].stored
        place, who = chosen.place, "user:approver"
        asked = Issue(chosen.id, "check 9", is_another=True)
        assert self.unless_refused(lambda: repaying.issue(self.tx, asked, self.office.now, BILLER)) or (
            chosen.decisions.state is RepaymentState.APPROVED
        )
        self.unless_refused(lambda: repaying.approve(self.tx, chosen.id, self.office.now, who))
        (before,) = distributing.show_account(self.tx, place.patient_id)
        if not self.unless_refused(lambda: repaying.issue(self.tx, asked, self.office.now, BILLER)):
            (after,) = distributing.show_account(self.tx, place.patient_id)
            assert after.payments_total == before.payments_total - chosen.draft.amount
            assert after.unassigned >= min(before.unassigned, 0)

    @precondition(lambda self: self.refunds(state=None))
    @rule(which=which_one)
    def void_refund(self, which: int) -> None:
        found = self.refunds(state=None)
        asked = Void(found[which % len(found)].stored.id, "never cashed")
        self.unless_refused(lambda: repaying.void(self.tx, asked, self.office.now, BILLER))

    @rule(amount=st.sampled_from([None, "5.00", "40.00"]), patient=st.sampled_from(PATIENTS), which=maybe_one)
    def move_money(self, amount: str | None, patient: str, which: int | None) -> None:
        """Move a credit, or the money of a manual entry or a payment. Neither account's own money changes."""
        source = self.source_of_money(patient, which)
        draft = TransferDraft(patient, "one family", dollars(amount) if amount else None)
        if which is None:
            draft = draft._replace(to_patient_id=next(each for each in PATIENTS if each != patient))
        asked = TransferRequest(f"request-{next(self.keys)}", draft, source)
        before = self.totals()
        self.unless_refused(lambda: transferring.make(self.tx, asked, self.office.now, BILLER))
        assert sum(self.totals().values()) == sum(before.values())

    @precondition(lambda self: self.transfers())
    @rule(which=which_one)
    def undo_transfer(self, which: int) -> None:
        """Undo a transfer. Both accounts then have the amounts that they have without it."""
        found = self.transfers()
        chosen = found[which % len(found)].stored
        before = self.totals()
        asked = Undo(chosen.id, "it was right")
        if not self.unless_refused(lambda: transferring.undo(self.tx, asked, self.office.now, BILLER)):
            moved = {chosen.from_patient_id: chosen.amount, chosen.to_patient_id: -chosen.amount}
            assert self.totals() == {each: total + moved.get(each, 0) for each, total in before.items()}

    @invariant()
    def transfers_add_up_to_zero(self) -> None:
        assert self.tx.execute(text(UNBALANCED_TRANSFERS_QUERY)).scalar_one() == 0

    @invariant()
    def nothing_is_unexplained(self) -> None:
        found = balancing.balance(self.tx, BalanceFilter())
        assert (found.unexplained, found.unbalanced_lines) == (0, [])

    def unless_refused(self, act) -> bool:
        """Return whether an action was refused. Then nothing was changed."""
        before, is_refused = self.rows(), False
        try:
            act()
        except (EntryError, RepaymentError, TransferError):
            is_refused = True
            assert self.rows() == before
        self.office.run_sweeps()
        return is_refused

    def source_of_money(self, patient: str, which: int | None) -> RepaymentTarget:
        """Return the credit of a patient, or with `which` a manual entry or a payment."""
        lines = list(self.tx.execute(text(PAYMENT_KEYS_QUERY)).scalars())
        if which is not None and which % 2 and self.entries():
            return RepaymentTarget(entry_id=self.chosen(which))
        if which is not None and lines:
            return RepaymentTarget(payment=lines[which % len(lines)])
        return RepaymentTarget(company_id="company", clinic_id="clinic", patient_id=patient)

    def transfers(self) -> list[Transfer]:
        return transferring.list_transfers(self.tx, TransferFilter(state=TransferState.POSTED))

    def totals(self) -> dict[str, Decimal]:
        """Return the sum of the entries of each patient."""
        found = [account for each in self.known for account in distributing.show_account(self.tx, each)]
        return {each.patient: each.payments_total for each in found}

    def refunds(self, state: RepaymentState | None = RepaymentState.REQUESTED) -> list[Repayment]:
        return repaying.list_repayments(self.tx, RepaymentFilter(state=state))

    def entries(self) -> list[int]:
        return list(self.tx.execute(text(MANUAL_ENTRIES_QUERY)).scalars())

    def chosen(self, entry: int) -> int:
        found = self.entries()
        return found[entry % len(found)]

    def rows(self) -> tuple:
        return tuple(self.tx.execute(text(ROW_COUNTS_QUERY)).one())

    def posted(self, line: str) -> Decimal:
        linked = self.tx.execute(text(LINKED_AMOUNT_QUERY), {"line": line}).scalar_one()
        return super().posted(line) + Decimal(linked)

    tx: Transaction
