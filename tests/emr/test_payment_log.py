"""The EMR's Payment Log: writing, reading, and detecting a lost event."""

import io
from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from random import Random

import pytest

from emr.payment_log import COLUMNS, PaymentLogError, read_payment_log
from payments.contract.event import Event, LineKey, PaymentDeleted, PaymentSaved
from payments.contract.payment_log import PaymentDetails
from payments.journeys import balancing
from payments.store.db.connection import Transaction
from tests.builders.events import deleted_payment, line_key, next_version, saved_payment
from tests.emr.two_weeks import AFTERWARDS, ALL, log_of, receive, set_up, simulated_events
from tests.examples import example_count

LOST = example_count(2)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(LOST))
def test_payment_log_identifies_the_line_of_a_lost_event(tx: Transaction, number: int) -> None:
    told = [each.event for each in simulated_events()]
    lost = Random(number).choice(that_the_log_can_miss(told))
    set_up(tx)
    receive(tx, [event for event in told if event.event_id != lost.event_id], AFTERWARDS)

    balance = balancing.balance(tx, ALL, read_payment_log(log_of(told)))

    assert [line.payment for line in balance.lines if line.unexplained or line.notes] == [str(lost.key)]


def that_the_log_can_miss(told: Sequence[Event]) -> list[PaymentSaved | PaymentDeleted]:
    """Return each line's newest event, unless it deletes what never was paid: then nothing is missing without it."""
    versions: dict[LineKey, dict[int, PaymentSaved | PaymentDeleted]] = defaultdict(dict)
    for event in told:
        if isinstance(event, PaymentSaved | PaymentDeleted):
            versions[event.key][event.version] = event
    newest = [[own[version] for version in sorted(own)[-2:]] for own in versions.values()]
    return [own[-1] for own in newest if isinstance(own[-1], PaymentSaved) or was_paid(own[0])]


def was_paid(event: PaymentSaved | PaymentDeleted) -> bool:
    return isinstance(event, PaymentSaved) and event.paid


def test_any_lost_event_type_is_covered() -> None:
    kinds = {
        (type(each), getattr(each, "paid", None), getattr(each, "internal_payment", None))
        for each in that_the_log_can_miss([each.event for each in simulated_events()])
    }

    saves = {(PaymentSaved, True, False), (PaymentSaved, True, True), (PaymentSaved, False, False)}
    assert kinds >= saves | {(PaymentDeleted, None, None)}


def test_payment_log_holds_the_newest_save_of_each_line() -> None:
    first = saved_payment("25.00", payment_id="a")
    file = log_of(
        [
            next_version(first, amount_paid="30.00"),
            first,
            saved_payment(payment_id="b"),
            deleted_payment(payment_id="b", version=2),
        ]
    )

    assert file.getvalue().splitlines() == [
        ",".join(COLUMNS),
        "clinic,a,1,2026-06-05,30.00,Copay,false,true,2",
    ]
    (line,) = read_payment_log(file)
    assert line == (
        line_key("a"),
        Decimal("30.00"),
        PaymentDetails(date(2026, 6, 5), "Copay", internal_payment=False, version=2),
    )


def test_payment_log_is_read_in_spreadsheet_formats() -> None:
    header = "\ufeffPaid,Internal Payment,CHARGE_TYPE,Amount_Paid,Transaction Date,Line_ID,payment_id,Clinic_Id,Till"
    text = (
        f"{header.lstrip(chr(0xFEFF))}\r\nno,1,copay,7,2026-06-05,1,p,c,3\r\n\r\nYES,0,Other,-7.5,2026-06-05,2,p,c,\r\n"
    )

    lines = [*read_payment_log(io.StringIO(text))]

    assert [(str(line.key), str(line.amount), line.details.version) for line in lines] == [
        ("c/p/1", "0.00", None),
        ("c/p/2", "-7.50", None),
    ]


ROW = dict(zip(COLUMNS, "c p 1 2026-06-05 25.00 Copay false true 1".split(), strict=True))
REFUSED = [
    ({"clinic_id": ""}, "clinic_id: expected text of 1 to 64 printable characters; got ''"),
    ({"transaction_date": "6/5/2026"}, "transaction_date: expected a date such as 2026-10-05; got '6/5/2026'"),
    ({"transaction_date": "2026-02-30"}, "transaction_date: expected a date such as 2026-10-05; got '2026-02-30'"),
    ({"amount_paid": "25.005"}, "amount_paid: expected dollars such as 25.00; got '25.005'"),
    ({"paid": "maybe"}, "paid: expected true or false; got 'maybe'"),
    ({"internal_payment": ""}, "internal_payment: expected true or false; got ''"),
    ({"version": "0"}, "version: expected a whole number from 1, or nothing; got '0'"),
    ({"line_id": "0"}, "line_id: c/p/0 is already in row 2"),
]


@pytest.mark.parametrize(("change", "told"), REFUSED, ids=[told.split(";")[0] for _, told in REFUSED])
def test_unreadable_cell_is_named_by_row_and_column(change: dict[str, str], told: str) -> None:
    rows = [ROW | {"line_id": "0"}, ROW | change]
    text = "\n".join(",".join(cells) for cells in [COLUMNS, *(row.values() for row in rows)])

    with pytest.raises(PaymentLogError) as refused:
        [*read_payment_log(io.StringIO(text))]

    assert str(refused.value) == f"Payment Log, row 3, column {told}"


@pytest.mark.parametrize("text", ["", "clinic_id,payment_id,line_id\nc,p,1\n"])
def test_payment_log_without_a_required_column_is_rejected(text: str) -> None:
    with pytest.raises(
        PaymentLogError, match=r"row 1, column (clinic_id|transaction_date): missing; expected a header"
    ):
        [*read_payment_log(io.StringIO(text))]
