"""A report as of a time repeats its output of that time."""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from payments.contract.event import ChargeType
from payments.journeys import adjusting, balancing, configuring, distributing, reporting
from payments.journeys.balancing import BalanceFilter
from payments.journeys.configuring import SettingsUpdate
from payments.journeys.reporting import ExceptionFilter, FeedFilter, GroupBy, LogFilter
from payments.store.db.connection import Transaction, connect
from payments.store.tables import VERSIONED
from tests.engines import scratch_database
from tests.make import BACKOFF, charge, deleted, edited, patient, saved
from tests.office import BILLER, Office, paid

TODAY = date(2026, 6, 20)
APRIL = {"transaction_date": "2026-04-08", "date_of_service": "2026-04-08"}
MAY = BalanceFilter(date(2026, 5, 1), date(2026, 5, 31), "clinic")
FIRST = saved("25.00", payment_id="a", **APRIL)
STRANGER = saved("12.00", payment_id="s", patient_id="stranger", transaction_date="2026-05-03")
SUPPLIES = saved("9.00", payment_id="supplies", charge_type="Supplies", transaction_date="2026-05-04")
NOTHING_DUE = saved(payment_id="z", amount_due="0.00", amount_paid="30.00", transaction_date="2026-05-05")

Step = Callable[[Office], object]


def everything(
    tx: Transaction, as_of: datetime | None = None, patients: tuple[str, ...] = ("patient", "stranger")
) -> dict[str, Any]:
    """Return what every report says, now or as it was known at a moment."""
    said: dict[str, Any] = {
        "feed": reporting.claims_feed(tx, FeedFilter(as_of=as_of)),
        "feed of a clinic": reporting.claims_feed(tx, FeedFilter(until=TODAY, clinics=("clinic",), as_of=as_of)),
        "feed summed": reporting.claims_feed_sums(tx, FeedFilter(as_of=as_of)),
        "open exceptions": reporting.exceptions(tx, ExceptionFilter(as_of=as_of)),
        "all exceptions": reporting.exceptions(tx, ExceptionFilter(status=None, as_of=as_of)),
        "log": reporting.payment_log(tx, LogFilter(as_of=as_of)),
        "what was applied": distributing.show_applied(tx, None, as_of),
        "balance": balancing.balance(tx, BalanceFilter(as_of=as_of)),
        "balance of May": balancing.balance(tx, BalanceFilter(*(MAY.since, MAY.until, MAY.clinic_id), as_of)),
    }
    for group in GroupBy:
        said[f"log by {group}"] = reporting.payment_log_sums(tx, LogFilter(as_of=as_of), group)
    for each in patients:
        said[f"account of {each}"] = distributing.show_account(tx, each, as_of=as_of)
        said[f"allocations of {each}"] = distributing.show_allocations(tx, each, as_of=as_of)
        said[f"account of {each}, of a clinic"] = distributing.show_account(tx, each, ["clinic"], as_of)
    return said


def publishes(*events: object) -> Step:
    return lambda office: office.publish(*events)


def selects(*charge_types: ChargeType) -> Step:
    def select(office: Office) -> None:
        wish = SettingsUpdate("clinic", "company", charge_types=list(charge_types))
        configuring.set_clinic(office.tx, wish, now=office.now, who="user:admin")

    return select


def accepts(office: Office) -> None:
    assert office.accept_all()


def acknowledges(office: Office) -> None:
    found = office.open_exceptions()[-1]
    adjusting.acknowledge(office.tx, found.id, "as agreed", office.now, BILLER)


def requeues_what_nobody_can_read(office: Office) -> None:
    (refused,) = (row.refused for row in reporting.claims_feed(office.tx, FeedFilter()) if row.payment is None)
    office.requeue([str(refused)])


def lets_the_ladder_end(office: Office) -> None:
    for _ in BACKOFF:
        office.now += max(BACKOFF)
        office.sweep()


STORY: dict[str, Step] = {
    "payments come in": publishes(FIRST, saved("40.00", payment_id="b", transaction_date="2026-05-08")),
    "one of a patient whom nobody knows": publishes(STRANGER),
    "one whose patient is still unknown in the end": lets_the_ladder_end,
    "one whose type is not selected": selects(ChargeType.COPAY),
    "it stays out": publishes(
        edited(SUPPLIES, saved_at=datetime(2026, 6, 21, tzinfo=STRANGER.saved_at.tzinfo).isoformat())
    ),
    "one that nobody can read": publishes(b"no event"),
    "one under a version that is here": publishes(saved("41.00", payment_id="b", transaction_date="2026-05-08")),
    "the conflict is acknowledged": acknowledges,
    "what nobody can read comes once more": publishes(b"no event"),
    "somebody hopes that it can be read by now": requeues_what_nobody_can_read,
    "one with nothing due": publishes(NOTHING_DUE),
    "what is owed": publishes(charge("c", "30.00", date_of_service="2026-04-08")),
    "the night": lambda office: office.distribute(),
    "a month is closed": lambda office: office.close("2026-04"),
    "an edit of the closed month": publishes(edited(FIRST, amount_due="35.00", amount_paid="35.00")),
    "another one": publishes(
        saved(payment_id="a", version=3, method="Check", **paid("45.00", "2026-04-08")),
        deleted(payment_id="b", version=2),
    ),
    "all is accepted": accepts,
    "the charge grows": publishes(charge("c", "50.00", version=2, date_of_service="2026-04-09")),
    "the stranger owes something, too": publishes(
        charge("d", "12.00", patient_id="stranger", date_of_service="2026-05-03")
    ),
    "another night": lambda office: office.distribute(),
    "the type is selected": selects(ChargeType.COPAY, ChargeType.SUPPLIES),
    "what stayed out is requeued": lambda office: office.requeue(["clinic/supplies/1"]),
    "the patient is known": publishes(patient("stranger")),
    "the closed payment is deleted": publishes(deleted(payment_id="a", version=4)),
    "which is acknowledged": acknowledges,
    "and comes again": publishes(saved(payment_id="a", version=5, **paid("50.00", "2026-04-08"))),
    "the last night": lambda office: office.distribute(),
    "May is closed": lambda office: office.close("2026-05"),
    "all is accepted again": accepts,
}


@pytest.fixture(scope="module")
def told(
    postgres_url: str, empty_ledger: str
) -> Iterator[tuple[Office, dict[str, tuple[datetime, dict[str, object]]]]]:
    """The office after the whole story, with what every report said after each step of it; a database of its own."""
    with scratch_database(postgres_url, empty_ledger) as url:
        database = connect(url, application_name="tests", pool_size=1)
        with database.connect() as tx:
            office, told = Office(tx, TODAY), {}
            for name, step in STORY.items():
                step(office)
                told[name] = office.now, everything(tx)
                office.now += timedelta(seconds=1)
            yield office, told
        database.dispose()


def test_reports_as_of_a_time_repeat_their_output_of_that_time(told) -> None:
    office, after = told
    for name, (moment, then) in after.items():
        found = everything(office.tx, moment)
        assert {report: found[report] for report in then} == then, name


def test_as_of_scenario_changes_every_report_and_table(told) -> None:
    office, after = told
    for report in everything(office.tx):
        assert len({repr(then[report]) for _, then in after.values()}) > 1, report
    for table in VERSIONED:
        kept = office.tx.execute(text(f"SELECT count(*) FROM {table.name}_was")).scalar_one()
        assert kept, table.name


def test_reports_as_of_a_time_before_any_event_are_empty(told) -> None:
    office, _ = told
    before = everything(office.tx, datetime(2026, 1, 1, tzinfo=office.now.tzinfo))

    assert {name: rows for name, rows in before.items() if "balance" not in name and rows} == {}
    assert str(before["balance"].emr_total) == "0.00"


def test_last_of_simultaneous_settings_changes_wins_even_with_a_late_clock(
    tx: Transaction,
) -> None:
    office = Office(tx, TODAY)
    office.publish(saved("25.00", **APRIL))
    noon = office.now
    office.now = noon - timedelta(seconds=5)  # another machine
    office.publish(saved("35.00", version=2, **APRIL))
    office.publish(saved("45.00", version=3, **APRIL))

    def amounts(as_of: datetime | None) -> list[str]:
        return [str(row.amount) for row in reporting.claims_feed(tx, FeedFilter(as_of=as_of))]

    assert amounts(noon) == amounts(None) == ["45.00"]
    assert amounts(noon - timedelta(seconds=1)) == []
