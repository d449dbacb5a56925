"""The EMR's Payment Log: writing, reading, and detecting a lost event."""

import csv
import io
import os
import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from random import Random

import pytest

from emr.payment_log import COLUMNS, PaymentLogError, read_payment_log
from payments.contract.event import ChargeType, Event, PaymentDeleted, PaymentSaved
from payments.contract.keys import LineKey, LocalKey
from payments.contract.payment_log import PaymentDetails
from payments.journeys import balancing
from payments.store.db.connection import Transaction
from tests.builders.events import deleted_payment, next_version, saved_payment
from tests.emr.two_weeks import (
    AFTERWARDS,
    WHOLE_BALANCE_FILTER,
    configure_clinics,
    import_and_detect,
    payment_log_after,
    simulated_events,
)
from tests.examples import example_count

LOST_EVENT_CASES = example_count(2)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(LOST_EVENT_CASES))
def test_payment_log_identifies_the_line_of_a_lost_event(tx: Transaction, number: int) -> None:
    events = [each.event for each in simulated_events()]
    lost = Random(number).choice(newest_logged_events(events))
    configure_clinics(tx)
    import_and_detect(tx, [event for event in events if event.event_id != lost.event_id], AFTERWARDS)

    balance = balancing.balance(tx, WHOLE_BALANCE_FILTER, read_payment_log(payment_log_after(events)))

    assert [line.payment for line in balance.lines if line.unexplained or line.notes] == [str(lost.key)]


def newest_logged_events(events: Sequence[Event]) -> list[PaymentSaved | PaymentDeleted]:
    """Return the newest event of each line. Deletions of unpaid lines are omitted: no Payment Log shows these lines."""
    versions: dict[LineKey, dict[int, PaymentSaved | PaymentDeleted]] = defaultdict(dict)
    for event in events:
        if isinstance(event, PaymentSaved | PaymentDeleted):
            versions[event.key][event.version] = event
    newest = [[own[version] for version in sorted(own)[-2:]] for own in versions.values()]
    return [own[-1] for own in newest if isinstance(own[-1], PaymentSaved) or is_paid(own[0])]


def is_paid(event: PaymentSaved | PaymentDeleted) -> bool:
    return isinstance(event, PaymentSaved) and event.paid


def test_newest_logged_events_include_every_kind_of_save_and_deletion() -> None:
    kinds = {
        (type(each), getattr(each, "paid", None), getattr(each, "internal_payment", None))
        for each in newest_logged_events([each.event for each in simulated_events()])
    }

    saves = {(PaymentSaved, True, False), (PaymentSaved, True, True), (PaymentSaved, False, False)}
    assert kinds >= saves | {(PaymentDeleted, None, None)}


def test_payment_log_contains_the_newest_save_of_each_line() -> None:
    first = saved_payment("25.00", payment_id="a")
    file = payment_log_after(
        [
            next_version(first, amount_paid="30.00"),
            first,
            saved_payment(payment_id="b"),
            deleted_payment(payment_id="b", version=2),
        ]
    )

    assert file.getvalue().decode().splitlines() == [
        ",".join(COLUMNS),
        "clinic,a,1,2026-06-05,30.00,Copay,false,true,2",
    ]
    (line,) = read_payment_log(file)
    assert line == (
        LocalKey("clinic", "a", "1"),
        Decimal("30.00"),
        PaymentDetails(date(2026, 6, 5), "Copay", internal_payment=False, version=2),
    )


SPREADSHEET_HEADER = "Paid,Internal Payment,CHARGE_TYPE,Amount-Paid,TransactionDate,Line_ID,payment_id,Clinic_Id,Till"
SPREADSHEET_ROWS = ["no,1,copay,7,2026-06-05,1,p,c,3", "", " YES ,0,Other,-7.5, 2026-06-05,2,p,c,", ",,,,,,,,"]
SPREADSHEET_LOG = "\n".join([SPREADSHEET_HEADER, *SPREADSHEET_ROWS, ""])


def lines_of(file: bytes) -> list[tuple[str, str]]:
    return [(str(line.key), str(line.amount)) for line in read_payment_log(io.BytesIO(file))]


def refusal(file: bytes) -> str:
    with pytest.raises(PaymentLogError) as refused:
        lines_of(file)
    return str(refused.value)


LOG_FORMS = {
    "UTF-8": SPREADSHEET_LOG.encode(),
    "UTF-8 with a byte order mark": SPREADSHEET_LOG.encode("utf-8-sig"),
    "UTF-16 with tabs": SPREADSHEET_LOG.replace(",", "\t").encode("utf-16"),
    "UTF-16 of the other byte order": b"\xfe\xff" + SPREADSHEET_LOG.encode("utf-16-be"),
    "CR LF": SPREADSHEET_LOG.replace("\n", "\r\n").encode(),
    "CR alone": SPREADSHEET_LOG.replace("\n", "\r").encode(),
    "no line end at the end": SPREADSHEET_LOG.rstrip("\n").encode(),
    "semicolons": SPREADSHEET_LOG.replace(",", ";").encode(),
    "tabs": SPREADSHEET_LOG.replace(",", "\t").encode(),
    "bars": SPREADSHEET_LOG.replace(",", "|").encode(),
    "all cells quoted": '"{}"\n'.format(SPREADSHEET_LOG.strip().replace(",", '","').replace("\n", '"\n"')).encode(),
    "blank lines first": f"\n\n{SPREADSHEET_LOG}".encode(),
}


@pytest.mark.parametrize("file", LOG_FORMS.values(), ids=LOG_FORMS)
def test_payment_log_is_read_in_the_forms_of_spreadsheets(file: bytes) -> None:
    assert lines_of(file) == [("c/p/1", "0.00"), ("c/p/2", "-7.50")]


def test_payment_log_is_read_from_a_pipe() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as end:
        end.write(SPREADSHEET_LOG.encode("utf-16"))
    with os.fdopen(reader, "rb") as file:
        assert [str(line.key) for line in read_payment_log(file)] == ["c/p/1", "c/p/2"]


def test_payment_log_with_only_a_header_has_no_lines() -> None:
    assert lines_of(",".join(COLUMNS).encode()) == []


def test_ids_of_a_payment_log_are_read_unchanged() -> None:
    ids = ["00123", "a/b", "Zoë", 'the "big" one', "1,5", "=1+1", "1E5", "E+10"]
    (header, *rows) = [COLUMNS, *([id_, "p", "1", *"2026-06-05 25.00 Copay false true 1".split()] for id_ in ids)]
    file = io.StringIO()
    csv.writer(file).writerows([header, *rows])

    assert [line.key.clinic_id for line in read_payment_log(io.BytesIO(file.getvalue().encode()))] == ids


LOG_ROW = dict(zip(COLUMNS, "c p 1 2026-06-05 25.00 Copay false true 1".split(), strict=True))
ID_ERROR = "expected text of 1 to 64 printable characters, without white space at its ends"
CHANGED_ID_ERROR = "expected the id itself, which a spreadsheet has changed (make it a column of text and export again)"
DAY, DOLLARS = "expected a date such as 2026-10-05", "expected dollars such as 25.00"
REFUSED_CELLS = [
    *(
        (column, id_, ID_ERROR)
        for column in LocalKey._fields
        for id_ in ("", "p ", " p", "\tp", "\u00a0p", "p\u200b", "p" * 65)
    ),
    *(
        (column, id_, CHANGED_ID_ERROR)
        for column in LocalKey._fields
        for id_ in ("1.23E+15", "1,2E+15", "9E-05", '="01"', "###", "#N/A")
    ),
    *(("transaction_date", day, DAY) for day in ("6/5/2026", "10.05.2026", "2026-6-5", "2026-02-30", "0206-06-05", "")),
    *(
        ("transaction_date", day, DAY)
        for day in ("20260605", "2026-W23-5", "46178", "2026-06-05 00:00", "\uff12026-06-05")
    ),
    *(("amount_paid", amount, DOLLARS) for amount in ("25.005", "$25.00", "(25.00)", "1,250.00", "40,50", "1.250", "")),
    *(
        ("amount_paid", amount, DOLLARS)
        for amount in ("25.00-", " 25.00", "4E1", "4_0.00", "+5", "\u0664\u0660.50", "99999999999")
    ),
    *(("paid", flag, "expected true or false") for flag in ("maybe", "", "wahr", "2")),
    ("internal_payment", "", "expected true or false"),
    ("charge_type", "Parking", f"expected one of {', '.join(ChargeType)}"),
    *(
        ("version", version, "expected a whole number from 1, or nothing")
        for version in ("0", "1.0", "-1", "9" * 30, "\u0661")
    ),
]


@pytest.mark.parametrize(
    ("column", "cell", "expected"), REFUSED_CELLS, ids=[f"{name}-{cell[:20]}" for name, cell, _ in REFUSED_CELLS]
)
def test_unreadable_cell_is_reported_with_row_and_column(column: str, cell: str, expected: str) -> None:
    file = io.StringIO()
    csv.writer(file).writerows([COLUMNS, (LOG_ROW | {"line_id": "0"}).values(), (LOG_ROW | {column: cell}).values()])

    problem = refusal(file.getvalue().encode())

    assert problem.startswith(f"Payment Log, row 3, column {column}: {expected}; got ")
    assert len(problem.splitlines()) == 1


SPLIT_CELLS = [
    ({"amount_paid": "1,250.00"}, "amount_paid: '1,250.00' is 2 cells; the row has 10 cells, the header 9"),
    ({"amount_paid": "40,50"}, "amount_paid: '40,50' is 2 cells; the row has 10 cells, the header 9"),
    ({"amount_paid": "$1,234,567.89"}, "amount_paid: '$1,234,567.89' is 3 cells; the row has 11 cells, the header 9"),
    # Other ids, or another cell, may have been divided as well: the first cell without a heading is named.
    ({"payment_id": "Smith,Ada"}, "10: no heading for "),
    ({"amount_paid": "1,250.00", "charge_type": "Parking"}, "10: no heading for "),
]


@pytest.mark.parametrize(("change", "problem"), SPLIT_CELLS, ids=[problem for _, problem in SPLIT_CELLS])
@pytest.mark.parametrize("last", ["version", "amount_paid"])
def test_cell_split_by_a_separator_is_reported_with_row_and_column(
    last: str, change: dict[str, str], problem: str
) -> None:
    columns = [*(name for name in COLUMNS if name != last), last]
    rows = [columns, [(LOG_ROW | change)[name] for name in columns]]

    assert refusal("\n".join(map(",".join, rows)).encode()).startswith(f"Payment Log, row 2, column {problem}")


def test_repeated_line_of_a_payment_log_is_refused_with_both_rows() -> None:
    rows = [
        COLUMNS,
        LOG_ROW.values(),
        (LOG_ROW | {"line_id": "2"}).values(),
        (LOG_ROW | {"amount_paid": "1.00"}).values(),
    ]

    assert refusal("\n".join(map(",".join, rows)).encode()) == (
        "Payment Log, row 4, column line_id: c/p/1 is already in row 2"
    )


def test_payment_log_with_a_totals_row_is_refused() -> None:
    rows = [COLUMNS, LOG_ROW.values(), ["Total", "", "", "", "25.00", "", "", "", ""]]

    assert refusal("\n".join(map(",".join, rows)).encode()).startswith("Payment Log, row 3, column payment_id: ")


@pytest.mark.parametrize("text", ["", "\n\n", "clinic_id,payment_id,line_id\nc,p,1\n"])
def test_payment_log_without_a_required_column_is_rejected(text: str) -> None:
    assert re.match(
        r"Payment Log, row 1, column (clinic_id|transaction_date): missing; expected a header", refusal(text.encode())
    )
