"""A report as of a time repeats its output of that time."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from payments.contract.event import ChargeType
from payments.core.scope import Scope
from payments.journeys import adjusting, balancing, configuring, distributing, reporting
from payments.journeys.balancing import Balance, BalanceFilter
from payments.journeys.configuring import SettingsUpdate
from payments.journeys.reporting import ExceptionFilter, FeedFilter, GroupBy, PaymentLogFilter
from payments.store.db.connection import Transaction, connect
from payments.store.tables import VERSIONED
from tests.builders.events import (
    BACKOFF,
    deleted_payment,
    next_version,
    paid,
    saved_charge,
    saved_patient,
    saved_payment,
)
from tests.builders.office import BILLER, Office
from tests.engines import scratch_database

pytestmark = pytest.mark.slow

TODAY = date(2026, 6, 20)
APRIL_DATES = {"transaction_date": "2026-04-08", "date_of_service": "2026-04-08"}
MAY_FILTER = BalanceFilter(date(2026, 5, 1), date(2026, 5, 31), Scope.of_clinics("clinic"))
FIRST_SAVE = saved_payment("25.00", payment_id="a", **APRIL_DATES)
PAYMENT_OF_UNKNOWN_PATIENT = saved_payment(
    "12.00", payment_id="s", patient_id="stranger", transaction_date="2026-05-03"
)
SUPPLIES_PAYMENT = saved_payment("9.00", payment_id="supplies", charge_type="Supplies", transaction_date="2026-05-04")
PAYMENT_WITH_NOTHING_DUE = saved_payment(
    payment_id="z", amount_due="0.00", amount_paid="30.00", transaction_date="2026-05-05"
)

Step = Callable[[Office], object]


def all_reports(
    tx: Transaction, as_of: datetime | None = None, patients: tuple[str, ...] = ("patient", "stranger")
) -> dict[str, Any]:
    """Return every report by name, either now or as of a time."""
    reports: dict[str, Any] = {
        "feed": list(reporting.claims_feed(tx, FeedFilter(as_of=as_of))),
        "feed of a clinic": list(
            reporting.claims_feed(tx, FeedFilter(until=TODAY, scope=Scope.of_clinics("clinic"), as_of=as_of))
        ),
        "feed summed": reporting.claims_feed_sums(tx, FeedFilter(as_of=as_of)),
        "open exceptions": list(reporting.exceptions(tx, ExceptionFilter(as_of=as_of))),
        "all exceptions": list(reporting.exceptions(tx, ExceptionFilter(status=None, as_of=as_of))),
        "log": list(reporting.payment_log(tx, PaymentLogFilter(as_of=as_of))),
        "expanded log": list(reporting.expanded_payment_log(tx, PaymentLogFilter(as_of=as_of))),
        "balance": comparable_balance(tx, BalanceFilter(as_of=as_of)),
        "differing lines": list(balancing.differing_lines(tx, BalanceFilter(as_of=as_of))),
        "differing lines of May": list(
            balancing.differing_lines(tx, BalanceFilter(*(MAY_FILTER.since, MAY_FILTER.until, MAY_FILTER.scope), as_of))
        ),
        "balance of May": comparable_balance(
            tx, BalanceFilter(*(MAY_FILTER.since, MAY_FILTER.until, MAY_FILTER.scope), as_of)
        ),
    }
    for group in GroupBy:
        reports[f"log by {group}"] = reporting.payment_log_sums(tx, PaymentLogFilter(as_of=as_of), group)
    for each in patients:
        accounts = distributing.show_account(tx, each, as_of=as_of)
        reports[f"account of {each}"] = accounts
        reports[f"allocations of {each}"] = [[*distributing.show_allocations(tx, row, as_of=as_of)] for row in accounts]
        reports[f"account of {each}, of a clinic"] = distributing.show_account(
            tx, each, Scope.of_clinics("clinic"), as_of
        )
    return reports


def comparable_balance(tx: Transaction, balance_filter: BalanceFilter) -> Balance:
    """Return the balance of a range with its lines as a list, so that two balances can be compared."""
    balance = balancing.balance(tx, balance_filter)
    return replace(balance, lines=[*balance.lines])


def publish_step(*events: object) -> Step:
    return lambda office: office.publish(*events)


def select_types_step(*charge_types: ChargeType) -> Step:
    def step(office: Office) -> None:
        update = SettingsUpdate("clinic", "company", charge_types=list(charge_types))
        configuring.set_clinic(office.tx, update, now=office.now, who="user:admin")

    return step


def accept_all(office: Office) -> None:
    assert office.accept_all()


def acknowledge_last(office: Office) -> None:
    found = office.open_exceptions()[-1]
    adjusting.acknowledge(office.tx, found.id, "as agreed", office.now, BILLER)


def requeue_invalid_event(office: Office) -> None:
    (refused,) = (row.refused for row in reporting.claims_feed(office.tx, FeedFilter()) if row.payment is None)
    office.requeue([str(refused)])


def exhaust_retries(office: Office) -> None:
    for _ in BACKOFF:
        office.now += max(BACKOFF)
        office.run_sweeps()


SCENARIO_STEPS: dict[str, Step] = {
    "payments": publish_step(FIRST_SAVE, saved_payment("40.00", payment_id="b", transaction_date="2026-05-08")),
    "payment of an unknown patient": publish_step(PAYMENT_OF_UNKNOWN_PATIENT),
    "retries are exhausted": exhaust_retries,
    "only Copay is selected": select_types_step(ChargeType.COPAY),
    "payment of another type": publish_step(
        next_version(
            SUPPLIES_PAYMENT,
            saved_at=datetime(2026, 6, 21, tzinfo=PAYMENT_OF_UNKNOWN_PATIENT.saved_at.tzinfo).isoformat(),
        )
    ),
    "invalid event": publish_step(b"no event"),
    "version conflict": publish_step(saved_payment("41.00", payment_id="b", transaction_date="2026-05-08")),
    "the conflict is acknowledged": acknowledge_last,
    "invalid event repeated": publish_step(b"no event"),
    "invalid event requeued": requeue_invalid_event,
    "zero amount due": publish_step(PAYMENT_WITH_NOTHING_DUE),
    "charge": publish_step(saved_charge("c", "30.00", date_of_service="2026-04-08")),
    "distribution": lambda office: office.distribute_all(),
    "April is closed": lambda office: office.close_months("2026-04"),
    "edit in the closed month": publish_step(next_version(FIRST_SAVE, amount_due="35.00", amount_paid="35.00")),
    "further edit and a deletion": publish_step(
        saved_payment(payment_id="a", version=3, method="Check", **paid("45.00", "2026-04-08")),
        deleted_payment(payment_id="b", version=2),
    ),
    "all exceptions accepted": accept_all,
    "charge raised": publish_step(saved_charge("c", "50.00", version=2, date_of_service="2026-04-09")),
    "charge of the unknown patient": publish_step(
        saved_charge("d", "12.00", patient_id="stranger", date_of_service="2026-05-03")
    ),
    "second distribution": lambda office: office.distribute_all(),
    "second type selected": select_types_step(ChargeType.COPAY, ChargeType.SUPPLIES),
    "payment of the second type requeued": lambda office: office.requeue(["clinic/supplies/1"]),
    "patient saved": publish_step(saved_patient("stranger")),
    "closed payment deleted": publish_step(deleted_payment(payment_id="a", version=4)),
    "deletion acknowledged": acknowledge_last,
    "deleted payment saved again": publish_step(
        saved_payment(payment_id="a", version=5, **paid("50.00", "2026-04-08"))
    ),
    "third distribution": lambda office: office.distribute_all(),
    "May is closed": lambda office: office.close_months("2026-05"),
    "all exceptions accepted again": accept_all,
}


@pytest.fixture(scope="module")
def finished_scenario(
    postgres_url: str, ledger_template: str
) -> Iterator[tuple[Office, dict[str, tuple[datetime, dict[str, object]]]]]:
    """The office after all steps, and a dict that maps each step's name to (time after the step, all reports then)."""
    with scratch_database(postgres_url, ledger_template) as url:
        database = connect(url, application_name="tests", pool_size=1)
        with database.connect() as tx:
            office, finished_scenario = Office(tx, TODAY), {}
            for name, step in SCENARIO_STEPS.items():
                step(office)
                finished_scenario[name] = office.now, all_reports(tx)
                office.now += timedelta(seconds=1)
            yield office, finished_scenario
        database.dispose()


@pytest.mark.slow
def test_reports_as_of_a_time_repeat_their_output_of_that_time(finished_scenario) -> None:
    office, after = finished_scenario
    for name, (moment, then) in after.items():
        found = all_reports(office.tx, moment)
        assert {report: found[report] for report in then} == then, name


def test_scenario_changes_every_report_and_versioned_table(finished_scenario) -> None:
    office, after = finished_scenario
    for report in all_reports(office.tx):
        assert len({repr(then[report]) for _, then in after.values()}) > 1, report
    for table in VERSIONED:
        kept = office.tx.execute(text(f"SELECT count(*) FROM {table.name}_was")).scalar_one()
        assert kept, table.name


def test_reports_as_of_a_time_before_any_event_are_empty(finished_scenario) -> None:
    office, _ = finished_scenario
    before = all_reports(office.tx, datetime(2026, 1, 1, tzinfo=office.now.tzinfo))

    assert {name: rows for name, rows in before.items() if "balance" not in name and rows} == {}
    assert str(before["balance"].emr_total) == "0.00"


def test_version_that_commits_last_wins_even_if_its_clock_is_behind(
    tx: Transaction,
) -> None:
    office = Office(tx, TODAY)
    office.publish(saved_payment("25.00", **APRIL_DATES))
    noon = office.now
    office.now = noon - timedelta(seconds=5)  # a worker with a late clock
    office.publish(saved_payment("35.00", version=2, **APRIL_DATES))
    office.publish(saved_payment("45.00", version=3, **APRIL_DATES))

    def amounts(as_of: datetime | None) -> list[str]:
        return [str(row.amount) for row in reporting.claims_feed(tx, FeedFilter(as_of=as_of))]

    assert amounts(noon) == amounts(None) == ["45.00"]
    assert amounts(noon - timedelta(seconds=1)) == []
