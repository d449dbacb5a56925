"""Transfers (rule D8): money of an account or a payment is moved to another patient, and back."""

from datetime import date

import pytest
from sqlalchemy import text

from console.reports.months import warning_records
from payments.core.manual_entry import EntryError
from payments.core.month import Month
from payments.core.repayment import RepaymentError
from payments.core.scope import Scope
from payments.core.sorting import Window
from payments.core.transfer import TransferError
from payments.journeys import closing, deposits, reporting, transferring
from payments.journeys.deposits import UndepositedFilter
from payments.journeys.reporting import PaymentLogFilter
from payments.journeys.transferring import RepaymentTarget, TransferFilter, TransferState
from payments.store.db.connection import Transaction
from tests.builders.events import next_version, paid, saved_charge, saved_patient, saved_payment
from tests.builders.office import Office, office_with_closed_april
from tests.journeys.manual_entry_steps import check, entry, post, reverse
from tests.journeys.repayment_steps import CREDIT, approve_and_issue, refund, void
from tests.journeys.transfer_steps import SISTER, amounts, move, undo

PAID = saved_payment(**paid("50.00", "2020-06-08"), method="Check")
PAYMENT = RepaymentTarget(payment="clinic/payment/1")
TODAY = date(2020, 6, 12)


@pytest.fixture
def office(tx: Transaction) -> Office:
    """An office with a closed April, a payment of 50.00 in June, and the patient's sister."""
    office = office_with_closed_april(tx)
    office.publish(PAID, saved_patient(SISTER))
    return office


def test_payment_is_moved_to_the_right_patient_and_back(office: Office) -> None:
    office.publish(saved_charge("visit", "50.00", date_of_service="2020-06-08"))
    office.publish(saved_charge("hers", "50.00", patient_id=SISTER, date_of_service="2020-06-08"))
    office.distribute_all()
    assert (amounts(office, "patient"), amounts(office, SISTER)) == (("50.00", "0.00"), ("0.00", "0.00"))

    done = move(office, PAYMENT).stored
    office.distribute_all()

    assert (done.state, done.from_patient_id, done.to_patient_id) == (TransferState.POSTED, "patient", SISTER)
    assert (amounts(office, "patient"), amounts(office, SISTER)) == (("0.00", "0.00"), ("50.00", "0.00"))
    rows = [row for row in reporting.payment_log(office.tx, PaymentLogFilter()) if row.kind == "manual"]
    assert {(row.patient, str(row.amount), row.method, row.deposit_date) for row in rows} == {
        ("patient", "-50.00", "Check", TODAY),
        (SISTER, "50.00", "Check", TODAY),
    }
    check(office)

    undone, again = undo(office, done.id), undo(office, done.id)
    office.distribute_all()

    assert (undone.was_done_before, again.was_done_before) == (False, True)
    assert (undone.stored.state, undone.stored.undo_reason) == (TransferState.UNDONE, "it was right")
    assert (amounts(office, "patient"), amounts(office, SISTER)) == (("50.00", "0.00"), ("0.00", "0.00"))
    check(office)


def test_credit_is_moved_within_a_family(office: Office) -> None:
    office.publish(saved_charge("visit", "30.00", date_of_service="2020-06-08"))
    office.distribute_all()
    with pytest.raises(TransferError, match=r"at most 20\.00 of the account's credit"):
        move(office, CREDIT, "20.01")

    done = move(office, CREDIT, "15.00")

    assert (amounts(office, "patient"), amounts(office, SISTER)) == (("35.00", "5.00"), ("15.00", "15.00"))
    assert transferring.find_available(office.tx, CREDIT, office.now) == 5
    assert done.payment is None
    check(office)


def test_no_more_is_moved_than_there_is(office: Office) -> None:
    refund(office, "20.00", PAYMENT)
    with pytest.raises(TransferError, match=r"at most 30\.00 of the payment"):
        move(office, PAYMENT, "30.01")
    moved = move(office, PAYMENT)
    assert str(moved.stored.amount) == "30.00"
    with pytest.raises(TransferError, match="no money of the payment can be moved"):
        move(office, PAYMENT, key="2")
    with pytest.raises(RepaymentError, match=r"at most 0\.00"):
        refund(office, "0.01", PAYMENT, "2")
    check(office)


def test_moved_money_can_be_refunded_or_moved_on_and_is_then_not_moved_back(office: Office) -> None:
    office.publish(saved_patient("brother"))
    first = move(office, PAYMENT).stored
    received = RepaymentTarget(entry_id=first.to_entry_ref)
    second = move(office, received, "30.00", to="brother", key="2").stored
    repaid = approve_and_issue(office, refund(office, "5.00", received).stored.id).stored

    with pytest.raises(TransferError, match=r"has only 15\.00 of the moved money"):
        undo(office, first.id)
    with pytest.raises(RepaymentError, match="takes money out of the account itself"):
        move(office, RepaymentTarget(entry_id=first.from_entry_ref), key="3")
    check(office)
    undo(office, second.id)
    void(office, repaid.id)
    undo(office, first.id)
    assert [amounts(office, each)[0] for each in ("patient", SISTER, "brother")] == ["50.00", "0.00", "0.00"]
    check(office)


def test_entries_of_a_transfer_are_not_reversed_alone(office: Office) -> None:
    posted = post(office, entry("20.00"))
    done = move(office, RepaymentTarget(entry_id=posted.entry.id)).stored

    for entry_id, why in (
        (done.to_entry_ref, f"was posted by transfer {done.id}"),
        (done.from_entry_ref, f"was posted by transfer {done.id}"),
        (posted.entry.id, f"transfer {done.id} has moved money of entry"),
    ):
        with pytest.raises(EntryError, match=why):
            reverse(office, entry_id)
    undo(office, done.id)
    reverse(office, posted.entry.id)
    assert transferring.id_of_entry(office.tx, "company", done.to_entry_ref) == done.id
    check(office)


def test_transfer_is_undone_in_an_open_month(office: Office) -> None:
    done = move(office, PAYMENT).stored
    office.set_today(date(2020, 7, 2))
    office.close_months("2020-05", "2020-06")

    undo(office, done.id)

    rows = [row for row in reporting.payment_log(office.tx, PaymentLogFilter()) if row.kind == "manual"]
    assert sorted((str(row.deposit_date), str(row.amount)) for row in rows) == [
        ("2020-06-12", "-50.00"),
        ("2020-06-12", "50.00"),
        ("2020-07-02", "-50.00"),
        ("2020-07-02", "50.00"),
    ]
    check(office)


def test_transfer_of_a_payment_that_the_emr_has_changed_is_found(office: Office) -> None:
    done = move(office, PAYMENT).stored
    assert not done.is_changed_in_emr

    office.publish(next_version(PAID, patient_id=SISTER))

    (row,) = transferring.list_transfers(office.tx, TransferFilter())
    assert (row.stored.is_changed_in_emr, row.payment) == (True, "clinic/payment/1")
    assert (amounts(office, "patient"), amounts(office, SISTER)) == (("-50.00", "-50.00"), ("100.00", "100.00"))
    (warning,) = warning_records(closing.close_warnings(office.tx, "company", Month(2020, 6)))
    assert (warning["what"], warning["transfer"]) == ("Transfer of a payment that the EMR has changed", done.id)
    undo(office, done.id)
    assert (amounts(office, "patient"), amounts(office, SISTER)) == (("0.00", "0.00"), ("50.00", "50.00"))
    assert closing.close_warnings(office.tx, "company", Month(2020, 6)) == []
    check(office)


def test_repeated_request_moves_once(office: Office) -> None:
    first, second = move(office, PAYMENT, "20.00"), move(office, PAYMENT, "20.00")

    assert (first.was_done_before, second.was_done_before, first.stored) == (False, True, second.stored)
    with pytest.raises(TransferError, match="used for another transfer"):
        move(office, PAYMENT, "21.00")


@pytest.mark.parametrize(
    ("source", "more", "error", "why"),
    [
        (PAYMENT, {"to": "patient"}, TransferError, "belongs to patient patient already"),
        (PAYMENT, {"to": "nobody"}, TransferError, "no patient nobody in company company"),
        (PAYMENT, {"amount": "-1.00"}, TransferError, r"above 0\.00"),
        (PAYMENT, {"deposit_date": date(2020, 4, 30)}, EntryError, "that month is closed"),
        (PAYMENT, {"deposit_date": date(2020, 6, 13)}, EntryError, "in the future"),
        (PAYMENT, {"key": "Billing: transfer"}, EntryError, "must not begin with"),
        (PAYMENT._replace(payment="clinic/other/1"), {}, RepaymentError, "no payment clinic/other/1"),
        (PAYMENT._replace(company_id="other"), {}, RepaymentError, "no payment clinic/payment/1"),
        (CREDIT._replace(patient_id="nobody"), {}, RepaymentError, "no patient nobody"),
    ],
)
def test_transfer_is_refused_with_its_problem(
    office: Office, source: RepaymentTarget, more: dict[str, str], error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        move(office, source, **more)


def test_transfers_are_read_by_patient_state_scope_and_page(office: Office) -> None:
    ids = [move(office, PAYMENT, "1.00", key=str(number)).stored.id for number in range(3)]
    undo(office, ids[0])

    def found(**chosen: object) -> list[int]:
        return [each.stored.id for each in transferring.list_transfers(office.tx, TransferFilter(**chosen))]

    assert found(patient="patient") == found(patient=SISTER) == ids[::-1]
    assert (found(state=TransferState.UNDONE), found(patient="nobody")) == (ids[:1], [])
    assert found(scope=Scope.of_clinic("company", "other")) == []
    page = transferring.read_page(office.tx, TransferFilter(), Window(2))
    after = transferring.read_page(office.tx, TransferFilter(), Window(2, page.rows[-1].position))
    assert [each.row.stored.id for each in (*page.rows, *after.rows)] == ids[::-1]
    with pytest.raises(TransferError, match="there is no transfer"):
        transferring.show(office.tx, ids[0], Scope.of_clinic("company", "other"))


def test_deposits_do_not_contain_refunds_and_transfers(office: Office) -> None:
    undo(office, move(office, PAYMENT, "5.00").stored.id)
    move(office, PAYMENT, "10.00", key="2")
    approve_and_issue(office, refund(office, "20.00", PAYMENT).stored.id)
    post(office, entry("7.00"))

    rows = reporting.payment_log(office.tx, PaymentLogFilter(only_deposits=True))
    assert sorted(str(row.amount) for row in rows) == ["50.00", "7.00"]
    clinic = UndepositedFilter(scope=Scope.of_clinic("company", "clinic"))
    undeposited = deposits.list_undeposited(office.tx, clinic, 10)
    assert sorted(str(row.amount) for row in undeposited) == ["50.00", "7.00"]


def test_transfers_are_append_only(office: Office) -> None:
    move(office, PAYMENT)
    for statement in ("UPDATE transfers SET to_patient_id = 'x'", "DELETE FROM transfers", "TRUNCATE transfers"):
        with pytest.raises(Exception, match="append-only"), office.tx.begin_nested():
            office.tx.execute(text(statement))
