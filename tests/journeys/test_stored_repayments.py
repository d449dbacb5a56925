"""Stored refunds: requests and decisions are final, keys are unique, and lists have pages."""

import pytest
from sqlalchemy import text

from payments.core.manual_entry import EntryError
from payments.core.sorting import Window
from payments.journeys import repaying
from payments.journeys.repaying import RepaymentFilter
from payments.store.db.connection import Transaction
from tests.builders.office import Office, office_with_closed_april
from tests.journeys.manual_entry_steps import check, entry, post, reverse
from tests.journeys.repayment_steps import approve, issue, refund, void
from tests.journeys.test_repaying import PAID


@pytest.fixture
def office(tx: Transaction) -> Office:
    office = office_with_closed_april(tx)
    office.publish(PAID)
    return office


def test_refunds_are_read_page_by_page(office: Office) -> None:
    ids = [refund(office, "1.00", key=str(number)).stored.id for number in range(3)]

    first = repaying.read_page(office.tx, RepaymentFilter(), Window(2))
    second = repaying.read_page(office.tx, RepaymentFilter(), Window(2, first.rows[-1].position))

    assert [each.row.stored.id for each in (*first.rows, *second.rows)] == ids[::-1]
    assert (first.has_more, second.has_more, second.has_previous) == (True, False, True)


def test_key_of_a_user_does_not_equal_a_key_of_billing(office: Office) -> None:
    asked = approve(office, refund(office, "20.00").stored.id)
    for number in range(3):
        post(office, entry("5.00"), key=f"refund {asked.stored.id + number}")
    posted = post(office, entry("5.00"), key="a key").entry.id
    post(office, entry("5.00"), key=f"reversal of {posted}")

    assert issue(office, asked.stored.id).stored.entry_ref is not None
    reverse(office, posted)
    with pytest.raises(EntryError, match="must not begin with"):
        post(office, entry("5.00"), key=f"Billing: refund {asked.stored.id}")
    check(office)


def test_voided_refund_is_final(office: Office) -> None:
    void(office, refund(office, "20.00").stored.id)
    with pytest.raises(Exception, match="only decided"), office.tx.begin_nested():
        office.tx.execute(text("UPDATE repayments SET issued_by = 'user:other'"))


def test_requests_and_decisions_are_never_changed(office: Office) -> None:
    approve(office, refund(office, "20.00").stored.id)
    for statement in (
        "UPDATE repayments SET amount = 1",
        "UPDATE repayments SET fee = 1",
        "UPDATE repayments SET approved_by = 'user:other'",
        "UPDATE repayments SET approved_at = NULL",
        "DELETE FROM repayments",
    ):
        with pytest.raises(Exception, match="only decided"), office.tx.begin_nested():
            office.tx.execute(text(statement))
