"""Manual entries that a biller links to a payment (rule D4)."""

from datetime import date

import pytest
from sqlalchemy import text

from console.reports.timeline import timeline_records
from payments.contract.event import Method
from payments.core.balancing import ReconcilingItem
from payments.core.manual_entry import EntryError
from payments.core.month import Month
from payments.journeys import balancing, closing, reporting
from payments.journeys.balancing import BalanceFilter
from payments.journeys.manual_entries import LinkTarget
from payments.journeys.reporting import PaymentLogFilter
from payments.store.db.connection import Transaction
from tests.builders.events import deleted_payment, next_version, paid, saved_payment
from tests.builders.office import Office, office_with_closed_april
from tests.journeys.manual_entry_steps import ADDED, check, entry, link, post, reverse, states, unlink


@pytest.fixture
def office(tx: Transaction) -> Office:
    """An office whose April is closed."""
    return office_with_closed_april(tx)


@pytest.fixture
def late(office: Office) -> Office:
    """An office where a payment of 50.00 in closed April arrived in June."""
    office.publish(ADDED)
    return office


@pytest.mark.parametrize("by_exception", [True, False])
def test_linked_entry_closes_the_exception_that_it_settles(late: Office, by_exception: bool) -> None:
    (found,) = late.open_exceptions()
    posted = post(late, entry("50.00"))
    target = LinkTarget(finding_id=found.id) if by_exception else LinkTarget(payment=found.payment)

    done, again = link(late, posted.entry.id, target), link(late, posted.entry.id, target)

    assert (done.payment, str(done.difference), done.is_settled) == ("clinic/payment/1", "0.00", True)
    assert (done.was_changed_before, again.was_changed_before) == (False, True)
    assert states(late) == [("auto_closed", "added", "50.00")]
    check(late)
    balance = balancing.balance(late.tx, BalanceFilter())
    assert str(balance.items[ReconcilingItem.MANUAL]) == "50.00"
    assert str(balance.manual_entries) == "50.00"
    (row,) = reporting.payment_log(late.tx, PaymentLogFilter())
    assert (row.payment, row.kind, str(row.unassigned)) == ("clinic/payment/1", "manual", "50.00")


def test_entry_made_for_an_exception_has_the_details_of_its_payment(late: Office) -> None:
    (found,) = late.open_exceptions()

    posted = post(late, entry("20.00"), target=LinkTarget(finding_id=found.id))

    assert (posted.payment, posted.entry.content.provider_id) == ("clinic/payment/1", "dr")
    assert states(late) == [("open", "edited", "30.00")]
    check(late)
    late.accept_all()
    assert [amount for _, amount, _ in late.ledger_entries()] == ["20.00", "30.00"]
    check(late)


def test_unlinking_an_entry_opens_the_exception_again(late: Office) -> None:
    (found,) = late.open_exceptions()
    posted = post(late, entry("50.00"), target=LinkTarget(finding_id=found.id))

    done = unlink(late, posted.entry.id)

    assert (str(done.difference), done.is_settled) == ("50.00", False)
    assert states(late)[-1] == ("open", "added", "50.00")
    check(late)


def test_reversing_a_linked_entry_opens_the_exception_again(late: Office) -> None:
    (found,) = late.open_exceptions()
    posted = post(late, entry("50.00"), target=LinkTarget(finding_id=found.id))

    reverse(late, posted.entry.id)

    assert states(late)[-1] == ("open", "added", "50.00")
    check(late)
    late.accept_all()
    check(late)


def test_payment_saved_again_after_the_link_proposes_the_difference(late: Office) -> None:
    (found,) = late.open_exceptions()
    post(late, entry("50.00"), target=LinkTarget(finding_id=found.id))

    late.publish(next_version(ADDED, amount_due="60.00", amount_paid="60.00"))
    assert states(late)[-1] == ("open", "edited", "10.00")
    check(late)
    late.publish(deleted_payment(version=3))
    assert states(late)[-1] == ("open", "deleted", "-50.00")
    late.accept_all()
    check(late)


def test_total_of_an_update_includes_linked_entries(late: Office) -> None:
    (found,) = late.open_exceptions()
    post(late, entry("50.00"), target=LinkTarget(finding_id=found.id))
    moved = next_version(ADDED, transaction_date="2020-06-08", amount_due="60.00", amount_paid="60.00")
    late.publish(moved)
    late.accept_all()

    late.publish(next_version(moved, amount_due="70.00", amount_paid="70.00"))

    detail = timeline_records(reporting.timeline(late.tx, found.payment))[-1]["detail"]
    assert detail.endswith("Total in Billing: 70.00")
    check(late)


def test_exception_stays_open_while_another_field_differs(late: Office) -> None:
    (found,) = late.open_exceptions()

    posted = post(late, entry("50.00", method=Method.CHECK), target=LinkTarget(finding_id=found.id))

    assert posted.payment == "clinic/payment/1"
    assert states(late) == [("open", "edited", "0.00")]
    check(late)


def test_link_is_refused_without_a_difference_or_for_an_unknown_exception(office: Office) -> None:
    office.publish(saved_payment(**paid("25.00", "2020-06-08")))
    posted = post(office, entry("25.00"))

    with pytest.raises(EntryError, match="no difference in a closed month"):
        link(office, posted.entry.id, LinkTarget(payment="clinic/payment/1"))
    with pytest.raises(EntryError, match="no exception 17"):
        link(office, posted.entry.id, LinkTarget(finding_id=17))


def test_entries_and_links_are_never_changed(late: Office) -> None:
    (found,) = late.open_exceptions()
    posted = post(late, entry("50.00"), target=LinkTarget(finding_id=found.id))
    unlink(late, posted.entry.id)
    for statement in (
        "UPDATE manual_entries SET purpose = 'adjustment'",
        "DELETE FROM manual_entries",
        "UPDATE entry_links SET linked_by = 'user:other'",
        "DELETE FROM entry_links",
    ):
        with pytest.raises(Exception, match=r"append-only|only ended"), late.tx.begin_nested():
            late.tx.execute(text(statement))


def test_payment_warns_before_the_close_of_the_months_of_its_linked_entries(late: Office) -> None:
    (found,) = late.open_exceptions()
    posted = post(late, entry("20.00", deposit_date=date(2020, 5, 5)), target=LinkTarget(finding_id=found.id))

    def warned(month: int) -> list[str]:
        return [each.payment for each in closing.close_warnings(late.tx, "company", Month(2020, month))]

    assert (warned(5), warned(6)) == (["clinic/payment/1"], [])
    unlink(late, posted.entry.id)
    assert (warned(5), warned(6)) == ([], [])
