"""The nightly task that closes scheduled months and finishes interrupted closes."""

import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from payments.core.month import Month
from payments.core.scope import Scope
from payments.journeys import closing, importing, reporting
from payments.journeys.reporting import PaymentLogFilter
from payments.store.db.connection import transaction
from tasks import resources as resources_module
from tasks.closing import close_month, close_months
from tests.builders.events import paid, run_context, saved_payment, stream_entries
from tests.builders.office import Office

APRIL, MAY = Month(2020, 4), Month(2020, 5)
NOW = datetime.now(UTC)
YESTERDAY = NOW - timedelta(days=1)


@pytest.fixture(autouse=True)
def _reopen_leftovers(worker_process):
    with transaction(worker_process.database) as tx:
        tx.execute(text("UPDATE company_months SET state = 'OPEN' WHERE state IN ('SCHEDULED', 'CLOSING')"))


@pytest.fixture
def create_company(resources):
    """Return a function that creates a company with a payment of 25.00 in a month, and returns the company's id."""

    def create_company(month=APRIL):
        name = f"company-{uuid4()}"
        with transaction(resources.database) as tx:
            office = Office(tx, date(2020, 6, 10), name, name)
            office.publish(saved_payment(company_id=name, clinic_id=name, **paid("25.00", f"{month}-08")))
        return name

    return create_company


def schedule(resources, name, month, when=YESTERDAY):
    with transaction(resources.database) as tx:
        closing.schedule(tx, name, month, when, "user:biller")


def month_states(resources, name):
    """Return the state of each month of a company, or (state, total) for a closed month."""
    with transaction(resources.database) as tx:
        return {
            row.month: (row.state.value, str(row.payments_total)) if row.closed_at else row.state.value
            for row in closing.list_months(tx, name)
        }


def test_month_scheduled_yesterday_is_closed_and_month_scheduled_today_waits(resources, create_company):
    due, tonight = create_company(), create_company()
    schedule(resources, due, APRIL)
    schedule(resources, tonight, APRIL, NOW)

    assert close_months() == f"{due} 2020-04: closed"

    assert (month_states(resources, due), month_states(resources, tonight)) == (
        {"2020-04": ("CLOSED", "25.00")},
        {"2020-04": "SCHEDULED"},
    )
    assert close_months() == "nothing due"


def test_interrupted_close_is_finished(resources, create_company):
    name = create_company()
    with transaction(resources.database) as tx:
        closing.begin_close(tx, name, APRIL, NOW, "user:biller")

    close_months()

    assert month_states(resources, name) == {"2020-04": ("CLOSED", "25.00")}


def test_closed_at_is_later_than_every_entry_of_the_month(resources, create_company):
    name, an_hour_ago = create_company(), NOW - timedelta(hours=1)
    with transaction(resources.database) as tx:  # an import that the close had to wait for
        more = saved_payment(payment_id="more", company_id=name, clinic_id=name, **paid("7.00", "2020-04-08"))
        importing.import_events(tx, stream_entries([more]), run_context(NOW - timedelta(minutes=30)))

    close_month(resources.database, name, APRIL, an_hour_ago, "user:biller")

    with transaction(resources.database) as tx:
        (kept,) = closing.list_months(tx, name)
        log = list(reporting.payment_log(tx, PaymentLogFilter(scope=Scope.of_clinics(name))))
        assert len(log) == 2
        assert (
            list(reporting.payment_log(tx, PaymentLogFilter(scope=Scope.of_clinics(name), as_of=kept.closed_at))) == log
        )


def test_oldest_month_is_closed_first(resources, create_company):
    name = create_company(MAY)
    schedule(resources, name, MAY)
    schedule(resources, name, APRIL)

    assert close_months() == f"{name} 2020-04: closed; {name} 2020-05: closed"
    assert month_states(resources, name) == {"2020-04": ("CLOSED", "0.00"), "2020-05": ("CLOSED", "25.00")}


def test_month_that_cannot_be_closed_does_not_stop_the_others(resources, create_company):
    late, other = create_company(MAY), create_company(MAY)
    schedule(resources, late, MAY)
    schedule(resources, other, MAY)
    with transaction(resources.database) as tx:  # a payment arrives for April, which is open
        april = saved_payment(payment_id="april", company_id=late, clinic_id=late, **paid("7.00", "2020-04-08"))
        importing.import_events(tx, stream_entries([april]), run_context())

    result = close_months()

    assert f"{late} 2020-05: close 2020-04 first" in result
    assert month_states(resources, late) == {"2020-04": "OPEN", "2020-05": "SCHEDULED"}
    assert month_states(resources, other)["2020-05"] == ("CLOSED", "25.00")


def test_month_locked_by_an_import_is_closed_by_the_next_run(
    resources, create_company, short_lock_database, monkeypatch
):
    monkeypatch.setitem(resources_module._opened, os.getpid(), replace(resources, database=short_lock_database))
    held, other = create_company(), create_company()
    schedule(resources, held, APRIL)
    schedule(resources, other, APRIL)
    with transaction(resources.database) as tx:
        more = saved_payment(payment_id="more", company_id=held, clinic_id=held, **paid("7.00", "2020-04-08"))
        importing.import_events(tx, stream_entries([more]), run_context())
        assert f"{held} 2020-04: not closed yet, OperationalError" in close_months()

    assert (month_states(resources, held), month_states(resources, other)) == (
        {"2020-04": "SCHEDULED"},
        {"2020-04": ("CLOSED", "25.00")},
    )
    assert close_months() == f"{held} 2020-04: closed"
    assert month_states(resources, held) == {"2020-04": ("CLOSED", "32.00")}
