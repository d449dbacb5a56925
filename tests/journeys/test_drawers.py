"""Drawers (rule D10): opened, counted and closed, and payments that arrive after the count."""

from datetime import date, timedelta

import pytest
from sqlalchemy.exc import DBAPIError

from console.reports.months import warning_records
from payments.contract.event import Method
from payments.contract.money import dollars
from payments.core.drawer import CashCount, DrawerCount, DrawerError, DrawerState, LineKind
from payments.core.month import Month
from payments.core.scope import Scope
from payments.journeys import closing, drawers
from payments.journeys.drawers import DrawerFilter, DrawerSheet, DrawerSummary, OpeningRequest, Stamp
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from tests.builders.events import deleted_payment, next_version, paid, saved_payment
from tests.builders.office import Office

MONDAY, TUESDAY = "2020-06-01", "2020-06-02"
ANN, BEN = "user:ann", "user:ben"


@pytest.fixture
def office(tx: Transaction) -> Office:
    """An office on a Monday that has taken 20.00 in cash and a check of 30.00."""
    office = Office(tx, date(2020, 6, 1))
    office.publish(
        saved_payment(payment_id="cash", method="Cash", **paid("20.00", MONDAY)),
        saved_payment(payment_id="check", method="Check", reference="1021", **paid("30.00", MONDAY)),
        saved_payment(payment_id="older", method="Cash", **paid("9.00", "2020-05-29")),
    )
    return office


def open_drawer(office: Office, starting: str | None = None) -> int:
    cash = None if starting is None else dollars(starting)
    return drawers.open_drawer(office.tx, OpeningRequest("clinic", starting_cash=cash), office.now, ANN).drawer.id


def count(office: Office, drawer_id: int, cash: str, checks: str = "0.00", **more: str) -> DrawerSummary:
    twenties, rest = divmod(dollars(cash), 20)
    pieces = CashCount(bills_20=int(twenties), coins_1=int(rest * 100))
    counted = DrawerCount(pieces, {Method.CHECK: dollars(checks)}, more.get("reason", ""))
    office.now += timedelta(seconds=1)
    return drawers.count(office.tx, drawer_id, counted, Stamp(office.now, more.get("who", ANN)))


def sheet(office: Office, drawer_id: int) -> DrawerSheet:
    return drawers.show(office.tx, drawer_id)


def taken(found: DrawerSheet) -> list[tuple[str, str, str, LineKind]]:
    return [(line.payment, line.method.value, str(line.amount), line.kind) for line in found.lines]


def test_open_drawer_expects_the_payments_of_the_day_by_method(office: Office) -> None:
    found = sheet(office, open_drawer(office, "100.00"))

    assert found.summary.state is DrawerState.OPEN
    assert {each.method: str(each.expected) for each in found.summary.methods if each.expected} == {
        Method.CASH: "120.00",
        Method.CHECK: "30.00",
    }
    assert taken(found) == [
        ("clinic/cash/1", "Cash", "20.00", LineKind.OF_DAY),
        ("clinic/check/1", "Check", "30.00", LineKind.OF_DAY),
    ]
    assert found.lines[1].reference == "1021"


def test_agreeing_count_balances_the_drawer_and_a_second_person_closes_it(office: Office) -> None:
    drawer_id = open_drawer(office, "100.00")

    balanced = count(office, drawer_id, "120.00", "30.00")

    assert (balanced.state, str(balanced.difference)) == (DrawerState.BALANCED, "0.00")
    with pytest.raises(DrawerError, match="another person has to close it"):
        drawers.close(office.tx, drawer_id, Stamp(office.now, ANN))
    closed = drawers.close(office.tx, drawer_id, Stamp(office.now, BEN))
    assert (closed.state, closed.drawer.closed_by) == (DrawerState.CLOSED, BEN)
    assert drawers.close(office.tx, drawer_id, Stamp(office.now, BEN)) == closed
    with pytest.raises(DrawerError, match="is closed"):
        count(office, drawer_id, "120.00", "30.00")


def test_difference_needs_a_reason_or_another_count(office: Office) -> None:
    drawer_id = open_drawer(office)

    short = count(office, drawer_id, "15.00", "30.00")
    assert (short.state, str(short.difference)) == (DrawerState.LOCKED, "-5.00")
    with pytest.raises(DrawerError, match="state the reason"):
        drawers.close(office.tx, drawer_id, Stamp(office.now, BEN))
    assert len(count(office, drawer_id, "15.00", "30.00").counts) == 1
    explained = count(office, drawer_id, "15.00", "30.00", reason="wrong change")
    assert (explained.state, len(explained.counts)) == (DrawerState.BALANCED, 2)
    over = count(office, drawer_id, "21.00", "30.00", who=BEN)
    assert (over.state, str(over.difference)) == (DrawerState.LOCKED, "1.00")
    count(office, drawer_id, "20.00", "30.00", who=ANN)
    with pytest.raises(DrawerError, match="you have counted"):
        drawers.close(office.tx, drawer_id, Stamp(office.now, BEN))


def test_what_arrives_after_the_count_falls_into_the_next_drawer(office: Office) -> None:
    first = open_drawer(office, "100.00")
    count(office, first, "120.00", "30.00")
    before = sheet(office, first)
    saved = saved_payment(payment_id="check", version=2, method="Credit Card", **paid("35.00", MONDAY))
    office.publish(
        saved,
        saved_payment(payment_id="afternoon", method="Cash", **paid("5.00", MONDAY)),
        deleted_payment(payment_id="cash", version=2),
    )
    assert sheet(office, first) == before

    evening = open_drawer(office)
    assert drawers.show(office.tx, evening).summary.drawer.shift == 2
    assert taken(sheet(office, evening)) == [
        ("clinic/cash/1", "Cash", "-20.00", LineKind.CHANGE),
        ("clinic/afternoon/1", "Cash", "5.00", LineKind.OF_DAY),
        ("clinic/check/1", "Check", "-30.00", LineKind.CHANGE),
        ("clinic/check/1", "Credit Card", "35.00", LineKind.CHANGE),
    ]
    assert str(sheet(office, evening).late_total) == "-15.00"
    count(office, evening, "85.00", "0.00", reason="see the log")

    office.set_today(date(2020, 6, 2))
    office.publish(
        saved_payment(payment_id="late", method="Cash", **paid("7.00", MONDAY)),
        saved_payment(payment_id="tuesday", method="Cash", **paid("8.00", TUESDAY)),
        next_version(saved, amount_due="36.00", amount_paid="36.00"),
    )
    assert taken(sheet(office, open_drawer(office))) == [
        ("clinic/late/1", "Cash", "7.00", LineKind.LATE),
        ("clinic/tuesday/1", "Cash", "8.00", LineKind.OF_DAY),
        ("clinic/check/1", "Credit Card", "1.00", LineKind.CHANGE),
    ]


def test_clinic_has_one_open_drawer(office: Office) -> None:
    first = drawers.open_drawer(office.tx, OpeningRequest("clinic", starting_cash=dollars("100.00")), office.now, ANN)
    again = drawers.open_drawer(office.tx, OpeningRequest("clinic"), office.now, BEN)

    assert (first.was_open_before, again.was_open_before, again.drawer) == (False, True, first.drawer)
    office.set_today(date(2020, 6, 2))
    with pytest.raises(DrawerError, match="is open; count it first"):
        drawers.open_drawer(office.tx, OpeningRequest("clinic"), office.now, ANN)
    count(office, first.drawer.id, "120.00", "30.00")
    assert (
        str(drawers.open_drawer(office.tx, OpeningRequest("clinic"), office.now, ANN).drawer.starting_cash) == "100.00"
    )
    listed = drawers.list_drawers(office.tx, DrawerFilter(since=date(2020, 6, 1)))
    assert [(str(each.drawer.day), each.state) for each in listed] == [
        (TUESDAY, DrawerState.OPEN),
        (MONDAY, DrawerState.BALANCED),
    ]


def test_drawer_outside_the_scope_is_not_found(office: Office) -> None:
    drawer_id, other = open_drawer(office), Scope.of_clinic("company", "other")

    with pytest.raises(DrawerError, match="there is no drawer"):
        drawers.show(office.tx, drawer_id, other)
    with pytest.raises(DrawerError, match="there is no drawer"):
        drawers.close(office.tx, drawer_id, Stamp(office.now, BEN), other)
    with pytest.raises(DrawerError, match="there is no clinic"):
        drawers.open_drawer(office.tx, OpeningRequest("clinic"), office.now, ANN, other)
    with pytest.raises(DrawerError, match="there is no clinic nowhere"):
        drawers.open_drawer(office.tx, OpeningRequest("nowhere"), office.now, ANN)


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM drawers",
        "UPDATE drawers SET day = '2020-06-02'",
        "UPDATE drawers SET locked_by = 'user:eve'",
        "UPDATE drawers SET locked_at = NULL",
        "UPDATE drawer_lines SET amount = 0",
        "DELETE FROM drawer_counts",
    ],
)
def test_locked_drawer_is_not_changed(office: Office, change: str) -> None:
    count(office, open_drawer(office), "20.00", "30.00")

    with pytest.raises(DBAPIError):
        office.tx.execute(text(change))


def test_drawer_that_is_not_closed_is_a_warning_before_its_month_closes(office: Office) -> None:
    def warned(month: int) -> list[tuple[object, object]]:
        found = warning_records(closing.close_warnings(office.tx, "company", Month(2020, month)))
        return [(each["what"], each["drawer"].id) for each in found if each["drawer"]]

    drawer = open_drawer(office)
    assert (warned(5), warned(6)) == ([], [("Drawer open, not closed", drawer)])
    count(office, drawer, "20.00", "30.00")
    assert warned(6) == [("Drawer locked, not closed", drawer)]
    drawers.close(office.tx, drawer, Stamp(office.now, BEN))
    assert warned(6) == []
