"""Manual entries (rule D4): posted, distributed and reversed."""

from datetime import date

import pytest

from payments.contract.event import Method
from payments.core.manual_entry import EntryDraft, EntryError, EntryPurpose
from payments.journeys import distributing, reporting
from payments.journeys.reporting import PaymentLogFilter
from payments.store.db.connection import Transaction
from tests.builders.events import saved_charge
from tests.builders.office import BILLER, Office, office_with_closed_april
from tests.journeys.manual_entry_steps import TODAY, check, entry, post, reverse


@pytest.fixture
def office(tx: Transaction) -> Office:
    """An office whose April is closed."""
    return office_with_closed_april(tx)


def test_posted_entry_is_in_the_log_with_its_user_and_pays_for_a_charge(office: Office) -> None:
    office.publish(saved_charge("visit", "40.00", date_of_service="2020-06-01"))

    posted = post(office, entry("30.00", method=Method.CHECK, reference="1021"))
    office.distribute_all()

    (row,) = reporting.payment_log(office.tx, PaymentLogFilter())
    assert (row.payment, row.kind, row.user, str(row.unassigned)) == (None, "manual", BILLER, "0.00")
    assert (row.entry, row.reference, str(row.posting_date)) == (posted.entry.id, "1021", "2020-06-12")
    (account,) = distributing.show_account(office.tx, "patient")
    assert (str(account.payments_total), str(account.unassigned), str(account.balance)) == ("30.00", "0.00", "10.00")
    (applied,) = distributing.show_allocations(office.tx, account)
    assert (applied.payment, applied.entry, str(applied.amount)) == (None, posted.entry.id, "30.00")
    check(office)


def test_repeated_request_posts_once(office: Office) -> None:
    first, second = post(office, entry("30.00")), post(office, entry("30.00"))

    assert (first.was_posted_before, second.was_posted_before) == (False, True)
    assert first.entry == second.entry
    with pytest.raises(EntryError, match="used for another entry"):
        post(office, entry("31.00"))


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        (entry("30.00", deposit_date=date(2020, 4, 30)), "that month is closed"),
        (entry("30.00", deposit_date=date(2020, 3, 1)), "that month is closed"),
        (entry("30.00", deposit_date=date(2020, 6, 13)), "in the future"),
        (entry("-30.00", purpose=EntryPurpose.PAYMENT), "the amount of a payment must be more than 0.00"),
        (entry("30.00", purpose=EntryPurpose.ERROR_CORRECTION), "needs a reason"),
        (entry("0.00"), "the amount is 0.00"),
        (entry("30.00", patient_id="nobody"), "no patient nobody"),
        (entry("30.00", clinic_id="nowhere"), "no clinic nowhere"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_entry_that_breaks_a_rule_is_refused(office: Office, refused: EntryDraft, why: str) -> None:
    with pytest.raises(EntryError, match=why):
        post(office, refused)

    assert office.ledger_entries() == []


def test_reversal_returns_the_money_and_a_second_one_changes_nothing(office: Office) -> None:
    office.publish(saved_charge("visit", "40.00", date_of_service="2020-06-01"))
    posted = post(office, entry("30.00"))
    office.distribute_all()

    done, again = reverse(office, posted.entry.id), reverse(office, posted.entry.id)

    assert (done.was_reversed_before, again.was_reversed_before) == (False, True)
    assert again.reversal == done.reversal
    assert (done.reversal.reverses, done.reversal.content.reason) == (posted.entry.id, "typed twice")
    (account,) = distributing.show_account(office.tx, "patient")
    assert (str(account.payments_total), str(account.unassigned), str(account.balance)) == ("0.00", "0.00", "40.00")
    check(office)
    with pytest.raises(EntryError, match="reverses entry"):
        reverse(office, done.reversal.id)


def test_reversal_of_a_closed_month_is_dated_today(office: Office) -> None:
    posted = post(office, entry("30.00", deposit_date=date(2020, 5, 20)))
    office.close_months("2020-05")
    may = office.month_total("2020-05")

    done = reverse(office, posted.entry.id)

    assert done.reversal.content.deposit_date == TODAY
    assert office.month_total("2020-05") == may


def test_negative_entry_takes_free_money_first_and_then_the_newest_applied(office: Office) -> None:
    office.publish(saved_charge("visit", "40.00", date_of_service="2020-06-01"))
    post(office, entry("50.00"))
    office.distribute_all()

    post(office, entry("-25.00"), key="2")
    office.distribute_all()

    (account,) = distributing.show_account(office.tx, "patient")
    assert (str(account.payments_total), str(account.unassigned), str(account.balance)) == ("25.00", "0.00", "15.00")
    check(office)
