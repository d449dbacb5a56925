"""Deposits (rule D11): made of entries that are on none, corrected by the next one, and undone by a reversal."""

from datetime import date

import pytest
from sqlalchemy.exc import DBAPIError

from console.reports.months import warning_records
from payments.contract.event import Method
from payments.contract.money import total
from payments.core.deposit import DepositDraft, DepositError, ItemKind
from payments.core.month import Month
from payments.core.scope import Scope
from payments.journeys import closing, deposits
from payments.journeys.deposits import DepositFilter, DepositReversal, DepositSlip, UndepositedFilter
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from tests.builders.events import deleted_payment, paid, saved_payment
from tests.builders.office import BILLER, Office

DAY, TODAY = "2020-06-01", date(2020, 6, 2)
CHECKS = UndepositedFilter(method="Check")


@pytest.fixture
def office(tx: Transaction) -> Office:
    """An office with three checks of 10.00, 11.00 and 12.00, and 5.00 in cash."""
    office = Office(tx, TODAY)
    checks = (
        saved_payment(payment_id=f"check-{n}", method="Check", reference=f"{1030 - n}", **paid(f"1{n}.00", DAY))
        for n in range(3)
    )
    office.publish(*checks, saved_payment(payment_id="cash", method="Cash", **paid("5.00", DAY)))
    return office


def undeposited(office: Office, chosen: UndepositedFilter = CHECKS) -> list[deposits.DepositEntry]:
    return deposits.list_undeposited(office.tx, chosen, 100)


def draft(entries: list[int], **more: object) -> DepositDraft:
    return DepositDraft("one", "clinic", Method.CHECK, "First Bank 1234", tuple(entries))._replace(**more)


def make(office: Office, entries: list[int], **more: object) -> DepositSlip:
    return deposits.make(office.tx, draft(entries, **more), office.now, BILLER)


def amounts(slip: DepositSlip) -> list[tuple[str | None, str, ItemKind]]:
    return [(each.payment, str(each.amount), each.kind) for each in slip.entries]


def test_deposit_takes_entries_that_are_then_on_no_other(office: Office) -> None:
    entries = [each.id for each in undeposited(office)]

    slip = make(office, entries)
    again = make(office, entries)

    assert (str(slip.deposit.total), slip.deposit.entry_count, slip.deposit.day) == ("33.00", 3, TODAY)
    assert [each.reference for each in slip.entries] == ["1028", "1029", "1030"]
    assert (slip.was_made_before, again.was_made_before, again.deposit) == (False, True, slip.deposit)
    assert undeposited(office) == []
    assert [str(each.amount) for each in undeposited(office, UndepositedFilter())] == ["5.00"]
    with pytest.raises(DepositError, match="is on a deposit"):
        make(office, entries[:1], key="two")
    with pytest.raises(DepositError, match="used for another deposit"):
        make(office, entries[:1])


def test_later_correction_is_a_line_of_the_next_deposit(office: Office) -> None:
    first = make(office, [each.id for each in undeposited(office)])

    office.publish(
        saved_payment(payment_id="check-0", version=2, method="Check", reference="1030", **paid("15.00", DAY)),
        deleted_payment(payment_id="check-1", version=2),
        saved_payment(payment_id="new", method="Check", reference="1031", **paid("40.00", DAY)),
    )

    assert deposits.show(office.tx, first.deposit.id) == first
    second = make(office, [each.id for each in undeposited(office)], key="two")
    assert str(second.deposit.total) == "34.00"
    assert {(payment, amount) for payment, amount, kind in amounts(second) if kind is ItemKind.CORRECTION} == {
        ("clinic/check-0/1", "5.00"),
        ("clinic/check-1/1", "-11.00"),
    }
    assert ("clinic/new/1", "40.00", ItemKind.PAYMENT) in amounts(second)
    assert {kind for _, _, kind in amounts(first)} == {ItemKind.PAYMENT}


def test_reversal_takes_the_entries_off_the_deposit(office: Office) -> None:
    entries = [each.id for each in undeposited(office)]
    slip = make(office, entries)

    undone = deposits.reverse(office.tx, DepositReversal(slip.deposit.id, "wrong account"), office.now, BILLER)
    again = deposits.reverse(office.tx, DepositReversal(slip.deposit.id, "wrong account"), office.now, BILLER)

    assert (str(undone.deposit.total), undone.deposit.reverses) == ("-33.00", slip.deposit.id)
    assert total(each.amount for each in undone.entries) == undone.deposit.total
    assert (undone.was_made_before, again.was_made_before, again.deposit) == (False, True, undone.deposit)
    assert [each.id for each in undeposited(office)] == entries
    second = make(office, entries, key="two", bank_account="Second Bank")
    assert undeposited(office) == []
    deposits.reverse(office.tx, DepositReversal(second.deposit.id, "again"), office.now, BILLER)
    assert [each.id for each in undeposited(office)] == entries
    with pytest.raises(DepositError, match="make another deposit instead"):
        deposits.reverse(office.tx, DepositReversal(undone.deposit.id, "no"), office.now, BILLER)
    listed = deposits.list_deposits(office.tx, DepositFilter(method="Check"))
    assert total(each.total for each in listed) == 0
    assert len(listed) == 4
    assert deposits.list_bank_accounts(office.tx) == ["First Bank 1234", "Second Bank"]


def test_entry_of_another_method_or_clinic_is_refused(office: Office) -> None:
    (cash,) = undeposited(office, UndepositedFilter(method="Cash"))
    checks = [each.id for each in undeposited(office)]
    other = Scope.of_clinic("company", "other")

    with pytest.raises(DepositError, match="another clinic or method"):
        make(office, [*checks, cash.id])
    with pytest.raises(DepositError, match="there is no clinic"):
        deposits.make(office.tx, draft(checks), office.now, BILLER, other)
    with pytest.raises(DepositError, match="in the future"):
        make(office, checks, day=date(2020, 6, 3))
    slip = make(office, checks)
    with pytest.raises(DepositError, match="there is no deposit"):
        deposits.reverse(office.tx, DepositReversal(slip.deposit.id, "r"), office.now, BILLER, other)
    with pytest.raises(DepositError, match="needs a reason"):
        deposits.reverse(office.tx, DepositReversal(slip.deposit.id, " "), office.now, BILLER)
    with pytest.raises(DepositError, match="is before the deposit"):
        deposits.reverse(office.tx, DepositReversal(slip.deposit.id, "r", date(2020, 6, 1)), office.now, BILLER)


@pytest.mark.parametrize("change", ["UPDATE deposits SET total = 0", "DELETE FROM deposit_items"])
def test_deposit_is_never_changed(office: Office, change: str) -> None:
    make(office, [each.id for each in undeposited(office)])

    with pytest.raises(DBAPIError):
        office.tx.execute(text(change))


def test_money_on_no_deposit_is_a_warning_if_the_clinic_deposits_its_method(office: Office) -> None:
    def warned() -> list[tuple[object, object, str]]:
        found = warning_records(closing.close_warnings(office.tx, "company", Month(2020, 6)))
        return [(each["payment"], each["detail"], str(each["amount"])) for each in found if each["undeposited"]]

    entries = [each.id for each in undeposited(office)]
    assert warned() == []
    make(office, entries[:1])
    assert warned() == [("clinic Check", "2 entries", "23.00")]
    make(office, entries[1:], key="two")
    assert warned() == []


def test_request_key_of_a_user_never_blocks_a_reversal(office: Office) -> None:
    first, *others = (each.id for each in undeposited(office))
    slip = make(office, [first])
    make(office, others, key=f"reversal of {slip.deposit.id}")

    reversal = deposits.reverse(office.tx, DepositReversal(slip.deposit.id, "wrong bag"), office.now, BILLER)

    assert reversal.deposit.reverses == slip.deposit.id
    with pytest.raises(DepositError, match="must not begin with 'Billing: '"):
        make(office, [first], key="Billing: reversal of 1")
