"""An exception, month or balance whose processing fails is logged and postponed. All others are processed."""

from datetime import UTC, datetime, timedelta

import pytest

from payments.core.month import Month
from payments.journeys import closing, reporting
from payments.store.db.connection import transaction
from tasks.adjusting import accept_by_policy
from tasks.balancing import balance_week
from tasks.closing import close_months
from tasks.detecting import detect_exceptions
from tasks.distributing import apply_immediately
from tests.builders.committed import CommittedLedger
from tests.builders.events import NOW, paid, saved_payment
from tests.tasks.refusing import (
    delete_in_closed_month,
    finish_work,
    import_visits,
    let_delays_end,
    line_id,
    logged_items,
    new_company,
    payments_with,
    postponed_work_of,
    query,
    refused_rows,
)

pytestmark = pytest.mark.slow

YESTERDAY = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _finish_leftovers(worker_process):
    finish_work(worker_process)


@pytest.fixture
def company(resources):
    return new_company(resources)


def schedule(resources, company):
    with transaction(resources.database) as tx:
        closing.schedule(tx, company, Month(2020, 4), YESTERDAY, "user:biller")


def unexplained_companies(log_entries):
    return [each["company"] for each in log_entries if each["event"] == "balance_unexplained"]


def test_line_whose_exception_is_refused_stops_no_other_line(resources, company, log_entries):
    other = new_company(resources, "zzz")
    delete_in_closed_month(resources, {company: ["a", "bad", "c"], other: ["d"]})
    bad = line_id(resources, company, "bad")
    item = (company, "detect_exception", str(bad))

    with refused_rows(resources.database, "findings", f"NEW.line_ref = {bad}"):
        assert detect_exceptions() == "opened 3, recomputed 0, closed by themselves 0"
        assert payments_with(resources, "findings", company, other) == ["a", "c", "d"]
        assert (postponed_work_of(resources.database, company, other), logged_items(log_entries)) == (
            [(*item, 1)],
            [item],
        )
        let_delays_end(resources.database)
        detect_exceptions()

    assert postponed_work_of(resources.database, company) == [(*item, 2)]
    assert detect_exceptions() == "opened 0, recomputed 0, closed by themselves 0"
    let_delays_end(resources.database)
    assert detect_exceptions() == "opened 1, recomputed 0, closed by themselves 0"
    assert postponed_work_of(resources.database, company) == []


def test_postponement_of_a_line_without_an_exception_is_deleted(resources, company):
    delete_in_closed_month(resources, {company: ["bad"]})
    with refused_rows(resources.database, "findings", f"NEW.line_ref = {line_id(resources, company, 'bad')}"):
        detect_exceptions()
    again = saved_payment(
        payment_id="bad", company_id=company, clinic_id=company, version=3, **paid("25.00", "2020-04-08")
    )
    CommittedLedger(resources.database, NOW).import_events(again)
    let_delays_end(resources.database)

    assert detect_exceptions() == "opened 0, recomputed 0, closed by themselves 0"

    assert postponed_work_of(resources.database, company) == []


def test_exception_whose_adjustment_is_refused_stops_no_other_exception(resources, company, log_entries):
    delete_in_closed_month(resources, {company: ["a", "bad", "c"]}, detected=True)
    bad = line_id(resources, company, "bad")
    (finding,) = query(resources, "SELECT id FROM findings WHERE line_ref = :bad", bad=bad)
    item = (company, "accept_exception", str(finding))

    with refused_rows(resources.database, "entries", f"NEW.line_ref = {bad}"):
        assert accept_by_policy() == "accepted 2 of 3"
        assert (postponed_work_of(resources.database, company), logged_items(log_entries)) == ([(*item, 1)], [item])

    assert accept_by_policy() == "accepted 0 of 0"
    let_delays_end(resources.database)
    assert accept_by_policy() == "accepted 1 of 1"
    assert postponed_work_of(resources.database, company) == []


def test_postponement_ends_when_the_policy_changes_to_review(resources, company):
    delete_in_closed_month(resources, {company: ["bad"]}, detected=True)
    with refused_rows(resources.database, "entries", f"NEW.line_ref = {line_id(resources, company, 'bad')}"):
        accept_by_policy()
    assert len(postponed_work_of(resources.database, company)) == 1
    query(
        resources,
        "UPDATE companies SET adjustments = 'review' WHERE company_id = :company RETURNING 1",
        company=company,
    )

    accept_by_policy()

    assert postponed_work_of(resources.database, company) == []


def test_month_whose_close_fails_stops_no_other_month(resources, company, log_entries):
    later = new_company(resources, "zzz")
    schedule(resources, company)
    schedule(resources, later)
    item = (company, "close_month", "2020-04")

    with refused_rows(resources.database, "company_months", f"NEW.company_id = '{company}' AND NEW.state = 'CLOSED'"):
        assert close_months() == (f"{company} 2020-04: not closed yet, ProgrammingError; {later} 2020-04: closed")
        assert (postponed_work_of(resources.database, company, later), logged_items(log_entries)) == (
            [(*item, 1)],
            [item],
        )

    assert close_months() == "nothing due"
    let_delays_end(resources.database)
    assert close_months() == f"{company} 2020-04: closed"
    close_months()
    assert postponed_work_of(resources.database, company) == []


def test_month_of_a_company_with_an_unknown_time_zone_stops_no_other_month(resources, company):
    later = new_company(resources, "zzz")
    schedule(resources, company)
    schedule(resources, later)
    set_timezone = "UPDATE companies SET timezone = :zone WHERE company_id = :company RETURNING 1"
    query(resources, set_timezone, zone="Mars/Phobos", company=company)

    try:
        result = close_months()
    finally:
        query(resources, set_timezone, zone="UTC", company=company)

    assert result.endswith(f"ZoneInfoNotFoundError; {later} 2020-04: closed")
    assert postponed_work_of(resources.database, company) == [(company, "close_month", "2020-04", 1)]


def test_postponed_work_does_not_count_as_work_that_is_due(resources, company):
    delete_in_closed_month(resources, {company: ["bad"]})
    import_visits(resources, company, ["ada"], charge_type="Payment on Account", date_of_service=None)
    with transaction(resources.database) as tx:
        before = reporting.load_backlog(tx, datetime.now(UTC))
    with refused_rows(resources.database, "allocations", "NEW.patient_id = 'ada'"):
        apply_immediately()
    with refused_rows(resources.database, "findings", f"NEW.line_ref = {line_id(resources, company, 'bad')}"):
        detect_exceptions()

    with transaction(resources.database) as tx:
        after = reporting.load_backlog(tx, datetime.now(UTC))

    assert (before.due - after.due, before.to_examine - after.to_examine) == (1, 1)


def test_company_that_cannot_be_balanced_stops_no_other_company(resources, company, log_entries):
    later = new_company(resources, "zzz")
    for each in (company, later):
        import_visits(resources, each, ["ada"], **paid("30.00", "2031-06-04"))
    item = (company, "balance_company", "")
    # Nothing explains this difference. The reason is one of a newer release.
    change = "UPDATE lines SET amount_paid = 31, reason = :reason WHERE company_id = :company RETURNING 1"
    query(resources, change, company=company, reason="unheard_of")
    query(resources, change, company=later, reason=None)
    now = datetime(2031, 6, 11, 18, tzinfo=UTC)

    assert balance_week(resources.database, now)[0].endswith("unexplained 1.00 in 1 line")
    assert (postponed_work_of(resources.database, company, later), logged_items(log_entries)) == ([(*item, 1)], [item])
    assert unexplained_companies(log_entries) == [later]

    query(resources, change, company=company, reason=None)
    assert balance_week(resources.database, now) == ("not due", False)
    assert unexplained_companies(log_entries) == [later]
    after_delay = now + timedelta(minutes=2)
    assert balance_week(resources.database, after_delay)[0].endswith("unexplained 1.00 in 1 line")
    assert unexplained_companies(log_entries) == [later, company]
    assert postponed_work_of(resources.database, company) == []
