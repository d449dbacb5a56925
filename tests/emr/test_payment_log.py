"""The EMR's Payment Log: written, read, and compared with Billing over two simulated weeks."""

import io
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import product
from random import Random

import pytest

from emr.payment_log import COLUMNS, PaymentLogError, read_payment_log, write_payment_log
from emr.simulator import SimulatedEvent, clinics_of, simulate
from payments.contract.event import Event, LineKey, PaymentDeleted, PaymentSaved
from payments.contract.money import ZERO
from payments.contract.payment_log import PaymentDetails
from payments.core.balancing import Balance, ReconcilingItem
from payments.core.month import Month
from payments.journeys import adjusting, balancing, closing, configuring, detecting, importing, reporting, retrying
from payments.journeys.balancing import BalanceFilter
from payments.journeys.configuring import SettingsUpdate
from payments.journeys.reporting import ExceptionFilter
from payments.store.db.connection import Transaction
from tests.examples import example_count
from tests.make import arrived, body, deleted, edited, key, patient, run, said, saved

SEED, FIRST_DAY, CLINICS = 7, date(2026, 9, 24), 5
HALFWAY, AFTERWARDS = datetime(2026, 10, 3, 12, tzinfo=UTC), datetime(2026, 10, 12, 12, tzinfo=UTC)
FIRST_CLINIC = {"clinic_id": "clinic-001", "company_id": "company-1"}
ALL = BalanceFilter()
LOST = example_count(2)


@pytest.fixture(scope="module")
def events() -> list[SimulatedEvent]:
    return list(simulate(CLINICS, 14, SEED, FIRST_DAY))


@pytest.fixture
def fortnight(tx: Transaction, events: Sequence[SimulatedEvent]) -> Transaction:
    """Two weeks of five clinics; August and September are closed halfway, and half of the exceptions are accepted."""
    companies = set_up(tx)
    early = [each.event for each in events if each.arrives_at < HALFWAY]
    late = [each.event for each in events if each.arrives_at >= HALFWAY]
    moved = saved(payment_id="moved", transaction_date="2026-09-30", **FIRST_CLINIC)
    odd = [
        body(said(payment_id="gift card", method="Gift card", transaction_date="2026-09-30", **FIRST_CLINIC)),
        saved(payment_id="free", amount_due="0.00", transaction_date="2026-10-01", **FIRST_CLINIC),
    ]
    receive(tx, [*early, *odd, patient(company_id="company-1"), moved], HALFWAY)
    for company, month in product(companies, (Month(2026, 8), Month(2026, 9))):
        closing.begin_close(tx, company, month, HALFWAY, "user:biller")
        closing.finish_close(tx, company, month, HALFWAY)
    after = [saved(payment_id=each, transaction_date="2026-09-29", **FIRST_CLINIC) for each in ("settled", "open")]
    receive(tx, [*late, *after, edited(moved, transaction_date="2026-10-09")], AFTERWARDS)
    excepted = {row.payment: row.id for row in reporting.exceptions(tx, ExceptionFilter()) if row.difference}
    for payment in {"clinic-001/settled/1", *sorted(excepted)[::2]} - {"clinic-001/free/1", "clinic-001/open/1"}:
        adjusting.accept(tx, excepted[payment], None, AFTERWARDS, "user:biller")
    return tx


def set_up(tx: Transaction) -> set[str]:
    """Let the simulated clinics have their settings, and return their companies."""
    roster = clinics_of(CLINICS, SEED)
    for each in roster:
        wish = SettingsUpdate(each.clinic_id, each.company_id, each.integration, each.types)
        configuring.set_clinic(tx, wish, now=datetime(2026, 9, 1, tzinfo=UTC), who="simulator")
    return {each.company_id for each in roster}


def receive(tx: Transaction, events: Sequence[Event | bytes], now: datetime) -> None:
    """Import events as they came, and let the sweeps look at them."""
    for first in range(0, len(events), 500):
        importing.import_events(tx, arrived(events[first : first + 500]), run(now))
    while retrying.retry_due(tx, run(now), 500).evaluated:
        now += timedelta(microseconds=1)
    while detecting.detect(tx, now, "tests-1", 500).examined:
        pass


def log_of(events: Sequence[Event]) -> io.StringIO:
    """Return the Payment Log of an EMR after these events."""
    file = io.StringIO()
    write_payment_log(events, file)
    file.seek(0)
    return file


def test_two_weeks_with_every_difference_balance(fortnight: Transaction) -> None:
    balance = balancing.balance(fortnight, BalanceFilter(FIRST_DAY, date(2026, 10, 7)))

    assert [balance.unexplained, *balance.unexplained_lines] == [ZERO]
    assert [term for term in ReconcilingItem if not balance.items[term]] == []
    assert balance.equal > 500


def test_two_weeks_balance_by_clinic_and_by_day(fortnight: Transaction) -> None:
    whole, sums = balancing.balance(fortnight, ALL), Balance()
    for number in range(70):
        day = FIRST_DAY - timedelta(days=50) + timedelta(days=number)
        for clinic, balance in balancing.balance_clinics(fortnight, BalanceFilter(day, day)).items():
            assert (clinic, day, balance.unexplained, balance.unexplained_lines) == (clinic, day, ZERO, [])
            sums.emr_total += balance.emr_total
            sums.billing_total += balance.billing_total
    assert (sums.emr_total, sums.billing_total) == (whole.emr_total, whole.billing_total)


@pytest.mark.parametrize("number", range(LOST))
def test_payment_log_identifies_the_line_of_a_lost_event(
    tx: Transaction, events: Sequence[SimulatedEvent], number: int
) -> None:
    told = [each.event for each in events]
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


def test_any_lost_event_type_is_covered(events: Sequence[SimulatedEvent]) -> None:
    kinds = {
        (type(each), getattr(each, "paid", None), getattr(each, "internal_payment", None))
        for each in that_the_log_can_miss([each.event for each in events])
    }

    saves = {(PaymentSaved, True, False), (PaymentSaved, True, True), (PaymentSaved, False, False)}
    assert kinds >= saves | {(PaymentDeleted, None, None)}


def test_payment_log_matches_the_feed_when_nothing_was_lost(
    fortnight: Transaction, events: Sequence[SimulatedEvent]
) -> None:
    week = BalanceFilter(FIRST_DAY, FIRST_DAY + timedelta(days=6), "clinic-002")
    fed = balancing.balance(fortnight, week)

    logged = balancing.balance(fortnight, week, read_payment_log(log_of([each.event for each in events])))

    assert (logged.emr_total, logged.items, logged.unexplained) == (fed.emr_total, fed.items, ZERO)
    assert [line.payment for line in logged.lines] == [line.payment for line in fed.lines]


def test_payment_log_holds_the_newest_save_of_each_line() -> None:
    first = saved("25.00", payment_id="a")
    file = log_of(
        [edited(first, amount_paid="30.00"), first, saved(payment_id="b"), deleted(payment_id="b", version=2)]
    )

    assert file.getvalue().splitlines() == [
        ",".join(COLUMNS),
        "clinic,a,1,2026-06-05,30.00,Copay,false,true,2",
    ]
    (line,) = read_payment_log(file)
    assert line == (
        key("a"),
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
