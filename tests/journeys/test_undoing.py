"""Undo of a decision on an exception (rule D6)."""

from datetime import date

import pytest
from sqlalchemy import text

from payments.core.finding import DecisionError
from payments.journeys import adjusting, balancing, configuring, detecting, reporting, undoing
from payments.journeys.balancing import BalanceFilter
from payments.journeys.configuring import CompanyUpdate
from payments.journeys.reporting import ExceptionFilter, ExceptionRow, FeedFilter
from payments.journeys.undoing import UndoRequest, UndoResult
from payments.store.db.connection import Transaction
from tests.builders.events import deleted_payment, next_version, paid, saved_payment
from tests.builders.office import BILLER, Office, office_with_closed_april

FIRST_SAVE = saved_payment(**paid("25.00", "2020-04-08"))
RAISED_SAVE = next_version(FIRST_SAVE, amount_due="35.00", amount_paid="35.00")


@pytest.fixture
def office(tx: Transaction) -> Office:
    """An office whose April is closed. In June a payment of April was raised by 10.00."""
    office = office_with_closed_april(tx, FIRST_SAVE)
    office.publish(RAISED_SAVE)
    return office


def only_exception(office: Office) -> ExceptionRow:
    (found,) = reporting.exceptions(office.tx, ExceptionFilter(status=None))
    return found


def undo(office: Office, reason: str = "wrong payment", **more: object) -> UndoResult:
    request = UndoRequest(only_exception(office).id, reason, **more)
    return undoing.undo(office.tx, request, office.now, BILLER)


def unexplained_amount(office: Office) -> str:
    found = balancing.balance(office.tx, BalanceFilter())
    assert found.unbalanced_lines == []
    return str(found.unexplained)


def test_undo_of_an_acceptance_reverses_its_entries_and_reopens_the_exception(office: Office) -> None:
    before = only_exception(office)
    office.accept_all()
    april = office.month_total("2020-04")

    undone = undo(office)

    assert [(str(each.amount), str(each.dimensions.deposit_date)) for each in undone.postings] == [
        ("-10.00", "2020-06-12")
    ]
    assert office.ledger_entries() == [
        ("2020-04-08", "25.00", "Cash"),
        ("2020-06-12", "10.00", "Cash"),
        ("2020-06-12", "-10.00", "Cash"),
    ]
    assert only_exception(office) == before
    assert office.month_total("2020-04") == april
    assert unexplained_amount(office) == "0.00"


def test_reversal_names_the_entry_that_it_reverses_and_why(office: Office) -> None:
    office.accept_all()
    undo(office, " wrong payment ")

    names = text("SELECT id, kind, entered_by, finding_ref, reverses, reason FROM entries ORDER BY id DESC LIMIT 2")
    reversal, accepted = office.tx.execute(names).all()

    exception_id = only_exception(office).id
    assert reversal[1:] == ("adjustment", BILLER, exception_id, accepted.id, "wrong payment")
    assert accepted[1:] == ("adjustment", BILLER, exception_id, None, None)


def test_second_undo_changes_nothing(office: Office) -> None:
    office.accept_all()
    undo(office)
    posted = office.ledger_entries()

    assert undo(office).was_undone_before
    assert office.ledger_entries() == posted


def test_undone_exception_can_be_accepted_and_undone_again(office: Office) -> None:
    for _ in range(2):
        office.accept_all()
        undo(office)
    office.accept_all()

    amounts = [amount for _, amount, _ in office.ledger_entries()]
    assert amounts == ["25.00", "10.00", "-10.00", "10.00", "-10.00", "10.00"]
    assert office.open_exceptions() == []


def test_reversal_of_an_entry_of_a_closed_month_is_dated_today(office: Office) -> None:
    office.accept_all()
    office.set_today(date(2020, 7, 3))
    office.close_months("2020-05", "2020-06")
    june = office.month_total("2020-06")

    undo(office)

    assert office.ledger_entries()[-1] == ("2020-07-03", "-10.00", "Cash")
    assert office.month_total("2020-06") == june
    assert unexplained_amount(office) == "0.00"


def test_chosen_deposit_date_must_lie_in_an_open_month(office: Office) -> None:
    office.accept_all()

    with pytest.raises(DecisionError, match="deposit date 2020-04-30: that month is closed"):
        undo(office, deposit_date=date(2020, 4, 30))
    with pytest.raises(DecisionError, match="deposit date 2020-06-13 is in the future"):
        undo(office, deposit_date=date(2020, 6, 13))
    undo(office, deposit_date=date(2020, 5, 2))

    assert office.ledger_entries()[-1] == ("2020-05-02", "-10.00", "Cash")


@pytest.mark.parametrize("is_closed_meanwhile", [False, True])
def test_undone_import_of_a_zero_amount_due_balances(tx: Transaction, *, is_closed_meanwhile: bool) -> None:
    office = Office(tx, date(2020, 6, 12))
    office.publish(saved_payment(amount_due="0.00", transaction_date="2020-06-05"))
    office.accept_all()
    if is_closed_meanwhile:
        office.set_today(date(2020, 7, 3))
        office.close_months("2020-06")

    undo(office)

    expected = ("2020-07-03", "-25.00", "adjustment") if is_closed_meanwhile else ("2020-06-05", "-25.00", "import")
    last = text("SELECT deposit_date::text, amount::text, kind FROM entries ORDER BY id DESC LIMIT 1")
    assert tx.execute(last).one() == expected
    assert only_exception(office).status == "open"
    assert unexplained_amount(office) == "0.00"
    office.accept_all()
    assert unexplained_amount(office) == "0.00"


def test_undone_deletion_is_proposed_again(office: Office) -> None:
    office.accept_all()
    office.publish(deleted_payment(version=3))
    deletion, _ = sorted(reporting.exceptions(office.tx, ExceptionFilter(status=None)), key=lambda row: -row.id)
    office.accept_all()

    undoing.undo(office.tx, UndoRequest(deletion.id, "still valid"), office.now, BILLER)

    (again,) = office.open_exceptions()
    assert again == deletion
    assert detecting.detect(office.tx, office.now, "tests-1", 500).examined == 0


def test_acceptance_of_an_earlier_release_can_be_undone(office: Office) -> None:
    office.accept_all()
    office.tx.execute(text("ALTER TABLE entries DISABLE TRIGGER USER"))
    office.tx.execute(text("UPDATE entries SET finding_ref = NULL"))
    office.tx.execute(text("UPDATE findings SET settled_notes_before = NULL"))

    assert [str(each.amount) for each in undo(office).postings] == ["-10.00"]
    assert undo(office).was_undone_before


def test_undo_of_an_acknowledgement_reopens_the_exception(office: Office) -> None:
    before = only_exception(office)
    office.acknowledge_only_exception()

    assert undo(office).postings == ()

    assert only_exception(office) == before
    assert len(office.ledger_entries()) == 1


def test_reopened_exception_of_a_memo_closes_when_the_memo_is_changed_back(tx: Transaction) -> None:
    office = office_with_closed_april(tx, FIRST_SAVE)
    changed = next_version(FIRST_SAVE, memo="changed")
    office.publish(changed)
    office.acknowledge_only_exception()
    undo(office)

    office.publish(next_version(changed, memo=None))

    assert only_exception(office).status == "auto_closed"


def test_payment_of_a_reopened_version_conflict_is_validation_failed_again(tx: Transaction) -> None:
    office = Office(tx, date(2020, 6, 12))
    first = saved_payment(**paid("25.00", "2020-06-05"))
    office.publish(first, saved_payment(**paid("30.00", "2020-06-05")))
    before = only_exception(office)
    office.acknowledge_only_exception()

    undo(office)
    office.run_sweeps()

    assert only_exception(office) == before
    assert [row.reason for row in reporting.claims_feed(tx, FeedFilter())] == ["version_conflict"]


def test_decision_on_an_earlier_version_cannot_be_undone(office: Office) -> None:
    office.accept_all()
    accepted = only_exception(office).id
    office.publish(next_version(RAISED_SAVE, amount_paid="40.00"))

    with pytest.raises(DecisionError, match=r"was saved or evaluated again \(version 3\)"):
        undoing.undo(office.tx, UndoRequest(accepted, "wrong"), office.now, BILLER)


def test_decision_cannot_be_undone_while_another_exception_of_the_payment_is_open(office: Office) -> None:
    office.accept_all()
    accepted = only_exception(office).id
    office.publish(saved_payment(version=2, **paid("99.00", "2020-04-08")))
    (conflict,) = office.open_exceptions()

    with pytest.raises(DecisionError, match=f"exception {conflict.id} of the same payment is open"):
        undoing.undo(office.tx, UndoRequest(accepted, "wrong"), office.now, BILLER)


def test_undo_needs_a_decision_a_reason_and_the_seen_time(office: Office) -> None:
    with pytest.raises(DecisionError, match="it is open; there is no decision to undo"):
        undo(office)
    office.accept_all()
    with pytest.raises(DecisionError, match="a reason is needed"):
        undo(office, " ")
    with pytest.raises(DecisionError, match="it was decided again since you looked"):
        undo(office, decided_at=office.now.replace(hour=1))
    undo(office, decided_at=office.now)
    office.publish(next_version(RAISED_SAVE, amount_due="25.00", amount_paid="25.00"))
    with pytest.raises(DecisionError, match="it was closed automatically; there is no decision to undo"):
        undo(office)


def test_undone_exception_is_not_accepted_by_policy(office: Office) -> None:
    configuring.set_company(office.tx, CompanyUpdate("company", adjustments="auto"), now=office.now, who="user:admin")
    (item,) = adjusting.list_auto_acceptable(office.tx, office.now)
    adjusting.accept_by_policy(office.tx, item, office.now)

    undo(office)

    assert adjusting.list_auto_acceptable(office.tx, office.now) == []
    assert adjusting.list_acceptable(office.tx, None) == [only_exception(office).id]
