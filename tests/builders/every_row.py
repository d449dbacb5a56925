"""A company with rows in every table that moves with a company."""

from datetime import date, timedelta

from payments.contract.event import ChargeType, Event, Method
from payments.contract.money import dollars
from payments.core.deposit import DepositDraft
from payments.core.drawer import CashCount, DrawerCount
from payments.core.scope import EVERYTHING, Scope
from payments.journeys import (
    adjusting,
    configuring,
    deposits,
    drawers,
    linking,
    manual_entries,
    noting,
    repaying,
    transferring,
    undoing,
)
from payments.journeys.deposits import DepositReversal, UndepositedFilter
from payments.journeys.drawers import OpeningRequest, Stamp
from payments.journeys.linking import LinkRequest, UnlinkRequest
from payments.journeys.manual_entries import EntryDraft, EntryPurpose, EntryRequest, LinkTarget, ReversalRequest
from payments.journeys.noting import NewNote, NoteSubject
from payments.journeys.repaying import Issue, RepaymentDraft, RepaymentKind, RepaymentRequest, RepaymentTarget, Void
from payments.journeys.transferring import TransferDraft, TransferRequest, Undo
from payments.journeys.undoing import UndoRequest
from payments.store.db.connection import Database, transaction
from tests.builders.events import event_body, next_version, paid, saved_charge, saved_patient, saved_payment
from tests.builders.office import BILLER, Office

APRIL, JUNE, TODAY = "2020-04-08", "2020-06-02", date(2020, 6, 12)
CLINIC = "clinic"
_ODD_MEMO = 'a "quote",\ta tab, a back\\slash and\na line'


def add_company_with_every_row(database: Database, company_id: str) -> None:
    """Commit a company with closed months, exceptions of each status, dead letters, and held and applied payments.

    Each company that this function adds has the same clinic, patient, payment and charge ids.
    """
    ids = {"company_id": company_id, "clinic_id": CLINIC}
    with transaction(database) as tx:
        office = Office(tx, date(2020, 4, 30), company_id, CLINIC)
        update = configuring.CompanyUpdate(company_id, hold_days=7, timezone="America/Denver")
        configuring.set_company(tx, update, now=office.now, who="user:admin")
        edited = _import_april(office, ids)
        office.set_today(TODAY)
        office.close_months("2020-04", "2020-05")
        _decide_exceptions(office, edited)
        _import_june(office, ids)
        _count_drawer(office)
        _deposit_cash(office)
        _enqueue_account(office, ids)


def _import_april(office: Office, ids: dict[str, str]) -> list[Event]:
    edited = [saved_payment(payment_id=f"edited-{n}", **paid(f"2{n}.00", APRIL), **ids) for n in range(3)]
    office.publish(
        *edited,
        saved_charge("visit", "10.00", date_of_service=APRIL, **ids),
        saved_payment(payment_id="memo", memo=_ODD_MEMO, **paid("5.10", APRIL), **ids),
    )
    office.distribute_all()
    return list(edited)


def _decide_exceptions(office: Office, edited: list[Event]) -> None:
    """Accept, undo and accept again one exception, acknowledge a second one, and add notes.

    The third exception stays open.
    """
    office.publish(*(next_version(each, amount_due="30.00", amount_paid="30.00") for each in edited))
    office.now += timedelta(minutes=1)
    accepted, acknowledged, open_one = adjusting.list_acceptable(office.tx, office.company_id)
    adjusting.accept(office.tx, accepted, None, office.now, BILLER)
    adjusting.acknowledge(office.tx, acknowledged, "agreed", office.now, BILLER)
    undoing.undo(office.tx, UndoRequest(accepted, "a mistake"), office.now, BILLER)
    adjusting.accept(office.tx, accepted, None, office.now, BILLER)
    subject = noting.exception_subject(office.tx, accepted, EVERYTHING)
    assert subject is not None
    account = NoteSubject(office.company_id, patient_id="patient")
    for note in (NewNote(subject, "Called the clinic.", ""), NewNote(account, "Moved.", "patient")):
        noting.add_note(office.tx, note, office.now, BILLER)
    _post_by_hand(office, open_one)


def _post_by_hand(office: Office, exception_id: int) -> None:
    """Post two manual entries: one was linked to an exception for a while, the other is reversed."""
    for key in ("linked", "reversed"):
        draft = EntryDraft(EntryPurpose.PAYMENT, dollars("3.00"), Method.CASH, office.company_id, CLINIC, "patient")
        posted = manual_entries.post(office.tx, EntryRequest(key, draft), office.now, BILLER).entry
        if key == "linked":
            request = LinkRequest(posted.id, LinkTarget(finding_id=exception_id))
            linking.link(office.tx, request, office.now, BILLER)
            linking.unlink(office.tx, UnlinkRequest(posted.id, "another payment"), office.now, BILLER)
        else:
            manual_entries.reverse(office.tx, ReversalRequest(posted.id, "typed twice"), office.now, BILLER)
    _pay_back(office)


def _pay_back(office: Office) -> None:
    """Issue a refund of a manual entry after its approval, and void one of the account's credit."""
    draft = EntryDraft(EntryPurpose.PAYMENT, dollars("3.00"), Method.CASH, office.company_id, CLINIC, "patient")
    posted = manual_entries.post(office.tx, EntryRequest("paid back", draft), office.now, BILLER).entry
    of_credit = RepaymentTarget(company_id=office.company_id, clinic_id=CLINIC, patient_id="patient")
    for key, target in (("issued", RepaymentTarget(entry_id=posted.id)), ("voided", of_credit)):
        wanted = RepaymentDraft(RepaymentKind.REFUND, dollars("1.00"), "paid twice", Method.CHECK)
        done = repaying.request(office.tx, RepaymentRequest(key, wanted, target), office.now, BILLER).stored
        if key == "issued":
            repaying.approve(office.tx, done.id, office.now, "user:approver")
            repaying.issue(office.tx, Issue(done.id, "check 9"), office.now, BILLER)
        else:
            repaying.void(office.tx, Void(done.id, "typed twice"), office.now, BILLER)
    _move_money(office, posted.id)


def _move_money(office: Office, entry_id: int) -> None:
    """Move money of a manual entry to another patient, and undo a transfer of the account's credit."""
    office.publish(saved_patient("sister", company_id=office.company_id))
    of_credit = RepaymentTarget(company_id=office.company_id, clinic_id=CLINIC, patient_id="patient")
    for key, source in (("moved", RepaymentTarget(entry_id=entry_id)), ("undone", of_credit)):
        wanted = TransferDraft("sister", "one family", dollars("1.00"))
        done = transferring.make(office.tx, TransferRequest(key, wanted, source), office.now, BILLER).stored
        if key == "undone":
            transferring.undo(office.tx, Undo(done.id, "typed twice"), office.now, BILLER)


def _import_june(office: Office, ids: dict[str, str]) -> None:
    first = saved_payment(payment_id="conflict", **paid("12.00", JUNE), **ids)
    office.publish(first, saved_payment(payment_id="held", patient_id="unknown", **paid("8.00", JUNE), **ids))
    invalid = event_body({**ids, "type": "payment.saved", "payment_id": "invalid", "line_id": "1"})
    office.publish(
        saved_payment(payment_id="conflict", **paid("13.00", JUNE), **ids),
        saved_charge("visit", "9.00", version=2, date_of_service=APRIL, **ids),
        invalid,
    )
    office.now += timedelta(minutes=1)
    office.publish(invalid)
    office.set_types(ChargeType.COPAY)
    office.publish(saved_payment(payment_id="not-sent", charge_type="Wellness", **paid("7.00", JUNE), **ids))


def _deposit_cash(office: Office) -> None:
    """Make a deposit, reverse it, and deposit one of its entries again."""
    scope = Scope.of_companies(office.company_id)
    cash = deposits.list_undeposited(office.tx, UndepositedFilter(method=Method.CASH, scope=scope), 500)
    chosen = tuple(each.id for each in cash if each.amount > 0)
    draft = DepositDraft("first", CLINIC, Method.CASH, "First Bank 1234", chosen, company_id=office.company_id)
    made = deposits.make(office.tx, draft, office.now, BILLER)
    deposits.reverse(office.tx, DepositReversal(made.deposit.id, "another bank"), office.now, BILLER)
    deposits.make(office.tx, draft._replace(key="second", entries=chosen[:1]), office.now, BILLER)


def _count_drawer(office: Office) -> None:
    """Count a drawer of the June payments, close it, and open the one of the next shift."""
    opened = drawers.open_drawer(
        office.tx, OpeningRequest(CLINIC, office.company_id, date(2020, 6, 2)), office.now, BILLER
    )
    counted = DrawerCount(CashCount(bills_20=1), {Method.CHECK: dollars("2.00")}, "wrong change")
    drawers.count(office.tx, opened.drawer.id, counted, Stamp(office.now, "user:desk"))
    drawers.close(office.tx, opened.drawer.id, Stamp(office.now, BILLER))
    drawers.open_drawer(office.tx, OpeningRequest(CLINIC, office.company_id), office.now, "user:desk")


def _enqueue_account(office: Office, ids: dict[str, str]) -> None:
    """Enqueue an account to be distributed."""
    office.import_events(
        saved_patient("bob", company_id=ids["company_id"], name="Bob"),
        saved_charge("visit-2", "4.00", patient_id="bob", date_of_service=JUNE, **ids),
    )
