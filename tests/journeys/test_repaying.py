"""Refunds and returned payments (rule D8): requested, approved, issued and voided."""

from datetime import date

import pytest

from console.reports.months import warning_records
from payments.contract.event import Method
from payments.contract.money import dollars
from payments.core.manual_entry import EntryError
from payments.core.month import Month
from payments.core.repayment import RepaymentError, RepaymentKind, RepaymentState
from payments.core.scope import Scope
from payments.journeys import closing, configuring, distributing, repaying, reporting
from payments.journeys.configuring import CompanyUpdate
from payments.journeys.manual_entries import LinkTarget
from payments.journeys.repaying import RepaymentFilter, RepaymentTarget
from payments.journeys.reporting import PaymentLogFilter
from payments.store.db.connection import Transaction
from tests.builders.events import next_version, paid, saved_charge, saved_payment
from tests.builders.office import Office, office_with_closed_april
from tests.journeys.manual_entry_steps import ADDED, check, entry, link, post, reverse
from tests.journeys.repayment_steps import CREDIT, approve, approve_and_issue, issue, refund, returned, void

PAID = saved_payment(**paid("50.00", "2020-06-08"), method="Check")
PAYMENT = RepaymentTarget(payment="clinic/payment/1")


@pytest.fixture
def office(tx: Transaction) -> Office:
    """An office whose April is closed, and which holds a payment of 50.00 of June."""
    office = office_with_closed_april(tx)
    office.publish(PAID)
    return office


def amounts(office: Office) -> tuple[str, str]:
    (account,) = distributing.show_account(office.tx, "patient")
    return str(account.payments_total), str(account.unassigned)


def test_issued_refund_takes_the_money_out_and_leaves_the_deposit(office: Office) -> None:
    asked = refund(office, "20.00", PAYMENT)
    assert (asked.stored.decisions.state, asked.payment) == (RepaymentState.REQUESTED, "clinic/payment/1")
    assert amounts(office) == ("50.00", "50.00")

    done = approve_and_issue(office, asked.stored.id)

    assert done.stored.decisions.state is RepaymentState.ISSUED
    rows = list(reporting.payment_log(office.tx, PaymentLogFilter()))
    assert [(str(row.amount), row.kind, row.reference) for row in rows] == [
        ("50.00", "import", None),
        ("-20.00", "manual", "check 9"),
    ]
    assert amounts(office) == ("30.00", "30.00")
    check(office)


def test_refund_of_applied_money_unapplies_it(office: Office) -> None:
    office.publish(saved_charge("visit", "50.00", date_of_service="2020-06-08"))
    office.distribute_all()
    assert amounts(office) == ("50.00", "0.00")
    with pytest.raises(RepaymentError, match=r"at most 0\.00 of the account's credit"):
        refund(office, "10.00")

    approve_and_issue(office, refund(office, "20.00", PAYMENT).stored.id)

    (account,) = distributing.show_account(office.tx, "patient")
    assert (str(account.unassigned), str(account.balance)) == ("0.00", "20.00")
    check(office)


def test_no_more_is_paid_back_than_there_is(office: Office) -> None:
    first = refund(office, "30.00", PAYMENT, "1")
    with pytest.raises(RepaymentError, match=r"at most 20\.00 of the payment"):
        refund(office, "20.01", PAYMENT, "2")
    with pytest.raises(RepaymentError, match=r"at most 20\.00 of the account's credit"):
        refund(office, "20.01", key="3")
    credit = refund(office, "20.00", key="4")
    void(office, first.stored.id)
    approve(office, credit.stored.id)
    office.publish(next_version(PAID, amount_due="10.00", amount_paid="10.00"))

    with pytest.raises(RepaymentError, match=r"at most 10\.00"):
        issue(office, credit.stored.id)
    check(office)


def test_refund_above_the_limit_needs_another_person(office: Office) -> None:
    asked = refund(office, "20.00")
    with pytest.raises(RepaymentError, match="need the approval of another person"):
        issue(office, asked.stored.id)
    with pytest.raises(RepaymentError, match="nobody approves their own request"):
        approve(office, asked.stored.id, asked.stored.decisions.requested_by)
    configuring.set_company(
        office.tx, CompanyUpdate("company", refund_limit=dollars("25.00")), now=office.now, who="user:admin"
    )
    assert issue(office, asked.stored.id).stored.decisions.approved_by is None

    split = refund(office, "6.00", key="2")
    with pytest.raises(RepaymentError, match=r"refunds above 25\.00 need"):
        issue(office, split.stored.id)
    assert approve_and_issue(office, split.stored.id).stored.decisions.state is RepaymentState.ISSUED
    with pytest.raises(RepaymentError, match="issued already"):
        issue(office, split.stored.id)


def test_voided_refund_is_reversed(office: Office) -> None:
    done = approve_and_issue(office, refund(office, "20.00", PAYMENT).stored.id)
    office.set_today(date(2020, 6, 20))

    voided, again = void(office, done.stored.id), void(office, done.stored.id)

    assert (voided.was_done_before, again.was_done_before) == (False, True)
    assert [amount for _, amount, _ in office.ledger_entries()] == ["50.00", "-20.00", "20.00"]
    assert amounts(office) == ("50.00", "50.00")
    assert repaying.find_available(office.tx, PAYMENT, office.now) == dollars("50.00")
    check(office)


def test_repeated_request_counts_once(office: Office) -> None:
    first, second = refund(office, "20.00"), refund(office, "20.00")

    assert (first.was_done_before, second.was_done_before) == (False, True)
    assert first.stored == second.stored
    with pytest.raises(RepaymentError, match="used for another refund"):
        refund(office, "21.00")


def test_bounced_check_reverses_its_payment_and_keeps_the_fee(office: Office) -> None:
    done = returned(office, RepaymentKind.BOUNCED_CHECK, "50.00", PAYMENT, fee=dollars("12.00"))

    assert (done.stored.decisions.state, str(done.stored.draft.fee)) == (RepaymentState.ISSUED, "12.00")
    assert (done.stored.method, done.stored.reference) == (Method.CHECK, "R-7")
    assert amounts(office) == ("0.00", "0.00")
    check(office)


@pytest.mark.parametrize(
    ("kind", "target", "more", "why"),
    [
        (RepaymentKind.BOUNCED_CHECK, CREDIT, {}, "name the payment"),
        (RepaymentKind.CHARGEBACK, PAYMENT, {"fee": dollars("-1.00")}, "0.00 or more"),
        (RepaymentKind.REFUND, PAYMENT, {"fee": dollars("1.00")}, "belongs to a bounced check"),
        (RepaymentKind.REFUND, RepaymentTarget(payment="clinic/other/1"), {}, "no payment clinic/other/1"),
        (RepaymentKind.REFUND, RepaymentTarget(entry_id=9), {}, "no manual entry 9"),
        (RepaymentKind.REFUND, CREDIT._replace(patient_id="nobody"), {}, "no patient nobody"),
        (RepaymentKind.REFUND, CREDIT._replace(clinic_id="nowhere"), {}, "no clinic nowhere"),
        (RepaymentKind.REFUND, RepaymentTarget(), {}, "name a payment"),
    ],
)
def test_request_is_refused_with_its_problem(
    office: Office, kind: RepaymentKind, target: RepaymentTarget, more: dict[str, object], why: str
) -> None:
    with pytest.raises(RepaymentError, match=why):
        returned(office, kind, "10.00", target, **more)


def test_refund_of_a_manual_entry_follows_its_link(office: Office) -> None:
    office.publish(next_version(ADDED, payment_id="late", version=1))
    posted = post(office, entry("50.00"))
    target = RepaymentTarget(entry_id=posted.entry.id)
    done = approve_and_issue(office, refund(office, "20.00", target).stored.id)
    check(office)

    link(office, posted.entry.id, LinkTarget(payment="clinic/late/1"))

    assert repaying.show(office.tx, done.stored.id).payment == "clinic/late/1"
    assert repaying.find_available(office.tx, target, office.now) == dollars("30.00")
    check(office)
    with pytest.raises(EntryError, match=r"refund \d+ pays entry \d+ back"):
        reverse(office, posted.entry.id)
    assert done.stored.entry_ref is not None
    with pytest.raises(EntryError, match="was posted by refund"):
        reverse(office, done.stored.entry_ref)


def test_same_refund_from_both_sides_is_found(office: Office) -> None:
    asked = refund(office, "20.00", PAYMENT)
    approve(office, asked.stored.id)
    office.publish(saved_payment(**paid("-20.00", "2020-06-10"), payment_id="refund", refund_of="clinic/payment/1"))

    (row,) = repaying.list_repayments(office.tx, RepaymentFilter())
    assert row.same_in_emr == "clinic/refund/1"
    with pytest.raises(RepaymentError, match="the EMR has a refund of this account"):
        issue(office, asked.stored.id)
    assert issue(office, asked.stored.id, is_another=True).stored.decisions.state is RepaymentState.ISSUED
    assert amounts(office) == ("10.00", "10.00")
    check(office)


def test_refund_is_dated_in_an_open_month(office: Office) -> None:
    asked = approve(office, refund(office, "20.00").stored.id)

    for day, why in ((date(2020, 4, 30), "that month is closed"), (date(2020, 6, 13), "in the future")):
        with pytest.raises(EntryError, match=why):
            issue(office, asked.stored.id, deposit_date=day)
    with pytest.raises(RepaymentError, match="a reference of 1 to"):
        issue(office, asked.stored.id, " ")


def test_refund_that_waits_is_a_warning_before_its_month_closes(office: Office) -> None:
    def warned(month: int) -> list[tuple[object, object, str]]:
        found = warning_records(closing.close_warnings(office.tx, "company", Month(2020, month)))
        return [(each["what"], each["refund"], str(each["amount"])) for each in found]

    asked = refund(office, "20.00").stored.id
    assert (warned(5), warned(6)) == ([], [("Refund requested", asked, "20.00")])
    approve(office, asked)
    assert warned(6) == [("Refund approved", asked, "20.00")]
    issue(office, asked)
    assert warned(6) == []


def test_user_of_some_clinics_pays_back_payments_of_these_only(office: Office) -> None:
    elsewhere, here = Scope.of_clinic("company", "other"), Scope.of_clinic("company", "clinic")
    for target, scope, why in ((PAYMENT, elsewhere, "no payment"), (CREDIT, here, "belongs to all clinics")):
        with pytest.raises(RepaymentError, match=why):
            repaying.find_available(office.tx, target, office.now, scope)
    asked = refund(office, "20.00", PAYMENT)
    with pytest.raises(RepaymentError, match="there is no refund"):
        repaying.approve(office.tx, asked.stored.id, office.now, "user:approver", elsewhere)
    assert repaying.list_repayments(office.tx, RepaymentFilter(elsewhere)) == []
