"""The night's closing of months: what was scheduled on an earlier day, and what was left half closed."""

import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from payments.core.month import Month
from payments.journeys import closing, importing, reporting
from payments.journeys.reporting import LogFilter
from payments.store.db.connection import transaction
from tasks import resources
from tasks.closing import close, close_months
from tests.make import arrived, run, saved
from tests.office import Office, paid

APRIL, MAY = Month(2020, 4), Month(2020, 5)
NOW = datetime.now(UTC)
YESTERDAY = NOW - timedelta(days=1)


@pytest.fixture(autouse=True)
def _nothing_left_to_close(at_work):
    with transaction(at_work.database) as tx:
        tx.execute(text("UPDATE company_months SET state = 'OPEN' WHERE state IN ('SCHEDULED', 'CLOSING')"))


@pytest.fixture
def company(here):
    """Open a company with 25.00 in a month."""

    def company(month=APRIL):
        name = f"company-{uuid4()}"
        with transaction(here.database) as tx:
            office = Office(tx, date(2020, 6, 10), name, name)
            office.publish(saved(company_id=name, clinic_id=name, **paid("25.00", f"{month}-08")))
        return name

    return company


def schedule(here, name, month, when=YESTERDAY):
    with transaction(here.database) as tx:
        closing.schedule(tx, name, month, when, "user:biller")


def months(here, name):
    """Return the states of a company's months, and of the closed ones their totals."""
    with transaction(here.database) as tx:
        return {
            row.month: (row.state.value, str(row.payments_total)) if row.closed_at else row.state.value
            for row in closing.list_months(tx, name)
        }


def test_a_month_scheduled_yesterday_is_closed_and_one_scheduled_today_waits_for_the_night(here, company):
    due, tonight = company(), company()
    schedule(here, due, APRIL)
    schedule(here, tonight, APRIL, NOW)

    assert close_months() == f"{due} 2020-04: closed with 25.00"

    assert (months(here, due), months(here, tonight)) == ({"2020-04": ("CLOSED", "25.00")}, {"2020-04": "SCHEDULED"})
    assert close_months() == "nothing due"


def test_a_close_that_was_cut_off_half_way_is_finished_whenever_it_was_begun(here, company):
    name = company()
    with transaction(here.database) as tx:
        closing.begin_close(tx, name, APRIL, NOW, "user:biller")

    close_months()

    assert months(here, name) == {"2020-04": ("CLOSED", "25.00")}


def test_a_month_is_closed_at_a_moment_after_which_nothing_was_posted_to_it(here, company):
    name, an_hour_ago = company(), NOW - timedelta(hours=1)
    with transaction(here.database) as tx:  # what the close had to wait for
        more = saved(payment_id="more", company_id=name, clinic_id=name, **paid("7.00", "2020-04-08"))
        importing.import_events(tx, arrived([more]), run(NOW - timedelta(minutes=30)))

    close(here.database, name, APRIL, an_hour_ago, "user:biller")

    with transaction(here.database) as tx:
        (kept,) = closing.list_months(tx, name)
        log = reporting.payment_log(tx, LogFilter(clinics=[name]))
        assert len(log) == 2
        assert reporting.payment_log(tx, LogFilter(clinics=[name], as_of=kept.closed_at)) == log


def test_the_oldest_month_goes_first(here, company):
    name = company(MAY)
    schedule(here, name, MAY)
    schedule(here, name, APRIL)

    assert close_months() == f"{name} 2020-04: closed with 0.00; {name} 2020-05: closed with 25.00"


def test_one_that_cannot_be_closed_keeps_none_of_the_others(here, company):
    late, other = company(MAY), company(MAY)
    schedule(here, late, MAY)
    schedule(here, other, MAY)
    with transaction(here.database) as tx:  # money comes in for April, which nobody has closed
        april = saved(payment_id="april", company_id=late, clinic_id=late, **paid("7.00", "2020-04-08"))
        importing.import_events(tx, arrived([april]), run())

    told = close_months()

    assert f"{late} 2020-05: 2020-04 has entries and is not closed; earlier months come first" in told
    assert months(here, late) == {"2020-04": "OPEN", "2020-05": "SCHEDULED"}
    assert months(here, other)["2020-05"] == ("CLOSED", "25.00")


def test_one_that_an_import_holds_too_long_is_closed_the_next_time_and_keeps_none_of_the_others(
    here, company, impatient, monkeypatch
):
    monkeypatch.setitem(resources._opened, os.getpid(), replace(here, database=impatient))
    held, other = company(), company()
    schedule(here, held, APRIL)
    schedule(here, other, APRIL)
    with transaction(here.database) as tx:
        more = saved(payment_id="more", company_id=held, clinic_id=held, **paid("7.00", "2020-04-08"))
        importing.import_events(tx, arrived([more]), run())
        assert f"{held} 2020-04: not closed yet, OperationalError" in close_months()

    assert (months(here, held), months(here, other)) == ({"2020-04": "SCHEDULED"}, {"2020-04": ("CLOSED", "25.00")})
    assert close_months() == f"{held} 2020-04: closed with 32.00"
