"""An account or company whose distribution fails is logged and postponed. All other accounts are distributed."""

import os
from dataclasses import replace

import pytest
from sqlalchemy import text

from payments.store.db.connection import transaction
from tasks import distributing
from tasks import resources as resources_module
from tasks.app import TaskFailedError
from tasks.distributing import apply_immediately, distribute_payments
from tests.tasks.refusing import (
    finish_work,
    import_visits,
    let_delays_end,
    logged_items,
    new_company,
    payments_with,
    postponed_work_of,
    query,
    refused_rows,
)

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _finish_leftovers(worker_process):
    finish_work(worker_process)


@pytest.fixture
def company(resources):
    return new_company(resources)


@pytest.fixture(params=[1, 2, 100])
def _batch_accounts(request, monkeypatch):
    monkeypatch.setattr(distributing, "BATCH_ACCOUNTS", request.param)


def make_nightly_runs_due(resources, *companies):
    distribute_payments()  # a new company waits for the next night
    statement = "UPDATE companies SET distributed_on = '2020-06-09' WHERE company_id = ANY(:companies) RETURNING 1"
    query(resources, statement, companies=list(companies))


def companies_with_a_complete_run(resources, *companies):
    """Return which of these companies have a complete nightly run."""
    return query(
        resources,
        "SELECT company_id FROM companies WHERE company_id = ANY(:companies) AND distributed_on > '2020-06-09' "
        "AND distributed_to IS NULL ORDER BY company_id",
        companies=list(companies),
    )


def test_queued_account_that_fails_stops_no_other_company(resources, company, log_entries, monkeypatch):
    later = new_company(resources, "zzz")
    on_account = {"charge_type": "Payment on Account", "date_of_service": None}
    import_visits(resources, company, ["ada", "bad", "cleo"], **on_account)
    import_visits(resources, later, ["dora"], **on_account)
    monkeypatch.setattr(distributing, "BATCH_ACCOUNTS", 3)
    item = (company, "apply_immediately", "bad")

    with refused_rows(resources.database, "allocations", "NEW.patient_id = 'bad'"):
        assert apply_immediately() == "3 allocations"
        assert payments_with(resources, "allocations", company, later) == ["ada", "cleo", "dora"]
        assert (postponed_work_of(resources.database, company), logged_items(log_entries)) == ([(*item, 1)], [item])
    queued = "SELECT DISTINCT patient_id FROM account_marks WHERE company_id = :company"
    assert query(resources, queued, company=company) == ["bad"]

    assert apply_immediately() == "0 allocations"
    let_delays_end(resources.database)
    assert apply_immediately() == "1 allocations"
    assert (postponed_work_of(resources.database, company), query(resources, queued, company=company)) == ([], [])


@pytest.mark.usefixtures("_batch_accounts")
def test_nightly_account_that_fails_stops_neither_its_company_nor_the_next(resources, company, log_entries):
    later = new_company(resources, "zzz")
    import_visits(resources, company, ["ada", "bad", "cleo", "worse"])
    import_visits(resources, later, ["dora"])
    make_nightly_runs_due(resources, company, later)
    items = [(company, "distribute_account", each) for each in ("bad", "worse")]

    with refused_rows(resources.database, "allocations", "NEW.patient_id IN ('bad', 'worse')"):
        assert distribute_payments() == "3 allocations, 60.00 applied"
        assert payments_with(resources, "allocations", company, later) == ["ada", "cleo", "dora"]
        assert postponed_work_of(resources.database, company, later) == [(*item, 1) for item in items]
        assert logged_items(log_entries) == items
    assert companies_with_a_complete_run(resources, company, later) == [company, later]

    assert distribute_payments() == "0 allocations, 0.00 applied"
    let_delays_end(resources.database)
    assert distribute_payments() == "2 allocations, 40.00 applied"
    assert postponed_work_of(resources.database, company) == []


def test_company_whose_nightly_run_fails_stops_no_later_company(resources, company, log_entries):
    later = new_company(resources, "zzz")
    import_visits(resources, company, ["ada"])
    import_visits(resources, later, ["dora"])
    make_nightly_runs_due(resources, company, later)
    item = (company, "distribute_company", "")

    with refused_rows(resources.database, "companies", f"NEW.company_id = '{company}'"):
        distribute_payments()
        assert payments_with(resources, "allocations", later) == ["dora"]
        assert (postponed_work_of(resources.database, company), logged_items(log_entries)) == ([(*item, 1)], [item])
    assert companies_with_a_complete_run(resources, company, later) == [later]

    let_delays_end(resources.database)
    distribute_payments()
    assert (companies_with_a_complete_run(resources, company), postponed_work_of(resources.database, company)) == (
        [company],
        [],
    )


def test_company_with_an_unknown_time_zone_stops_no_later_company(resources, company):
    later = new_company(resources, "zzz")
    import_visits(resources, later, ["dora"])
    make_nightly_runs_due(resources, company, later)
    set_timezone = "UPDATE companies SET timezone = :zone WHERE company_id = :company RETURNING 1"
    query(resources, set_timezone, zone="Mars/Phobos", company=company)

    try:
        distribute_payments()
    finally:
        query(resources, set_timezone, zone="UTC", company=company)

    assert companies_with_a_complete_run(resources, company, later) == [later]
    assert postponed_work_of(resources.database, company) == [(company, "distribute_company", "", 1)]


def test_outage_postpones_nothing_and_ends_the_sweep(resources, company, log_entries):
    import_visits(resources, company, ["ada", "bad"], charge_type="Payment on Account", date_of_service=None)

    with (
        refused_rows(resources.database, "allocations", "NEW.patient_id = 'bad'", sqlstate="53100"),
        pytest.raises(TaskFailedError, match="OperationalError"),
    ):
        apply_immediately()

    assert (postponed_work_of(resources.database, company), logged_items(log_entries)) == ([], [])
    assert apply_immediately() == "2 allocations"


def test_account_that_another_transaction_keeps_locked_stops_no_other_account(
    resources, company, short_lock_database, monkeypatch
):
    monkeypatch.setitem(resources_module._opened, os.getpid(), replace(resources, database=short_lock_database))
    import_visits(resources, company, ["ada", "held"], charge_type="Payment on Account", date_of_service=None)
    with transaction(resources.database) as tx:
        held = "SELECT FROM lines WHERE company_id = :company AND patient_id = 'held' FOR UPDATE"
        tx.execute(text(held), {"company": company})
        assert apply_immediately() == "1 allocations"

    assert payments_with(resources, "allocations", company) == ["ada"]
    assert postponed_work_of(resources.database, company) == [(company, "apply_immediately", "held", 1)]
    let_delays_end(resources.database)
    assert apply_immediately() == "1 allocations"
