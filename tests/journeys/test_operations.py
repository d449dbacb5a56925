"""Operators see last night's jobs with their results and failures, limited to their scope."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from payments import operations_wording
from payments.core.postponed_work import Selection, WorkItem, WorkKind
from payments.core.scope import EVERYTHING, Scope
from payments.journeys import balancing, distributing, postponing
from payments.journeys.operations import read_operations
from tests.builders.events import paid, saved_charge, saved_patient, saved_payment
from tests.builders.office import Office

FIRST_NIGHT = datetime(2026, 6, 9, 3, tzinfo=UTC)
NEXT_NIGHT = FIRST_NIGHT + timedelta(days=1)


@pytest.fixture
def office(tx):
    """An office with a payment and a charge of last week. The company's first nightly run is due in the next night."""
    office = Office(tx, FIRST_NIGHT)
    office.publish(saved_patient(), saved_charge("c1", "20.00", date_of_service="2026-06-02"))
    office.publish(saved_payment(**paid("25.00", "2026-06-02")))
    distributing.distribute_next_due(tx, FIRST_NIGHT, 10)
    return office


def nightly_jobs(office, now=NEXT_NIGHT, scope=EVERYTHING):
    return {row.job.value: row for row in read_operations(office.tx, now, scope).nightly}


def test_distribution_reports_its_result(office):
    assert nightly_jobs(office, NEXT_NIGHT)["distribution"].state == "due"
    distributing.distribute_next_due(office.tx, NEXT_NIGHT, 10)

    row = nightly_jobs(office)["distribution"]

    assert (row.state, row.progress.examined, row.has_problem) == ("done", 1, False)
    assert row.finished_at == NEXT_NIGHT


def test_balancing_reports_its_unexplained_amount(office):
    balanced_at = NEXT_NIGHT + timedelta(hours=15)  # the night has begun in every time zone
    while balancing.balance_next_due(office.tx, balanced_at, 1_000, Selection()) is not None:
        pass

    row = nightly_jobs(office, balanced_at)["balancing"]

    assert (row.state, row.progress.examined, row.progress.found) == ("done", 1, 0)


def test_nightly_job_that_did_not_run_is_overdue(office):
    row = nightly_jobs(office, NEXT_NIGHT + timedelta(hours=5))["distribution"]

    assert (row.state, row.has_problem) == ("overdue", True)


def test_failed_nightly_job_is_listed_with_its_error(office):
    for kind in (WorkKind.DISTRIBUTE_COMPANY, WorkKind.BALANCE_COMPANY):
        postponing.postpone(office.tx, kind, WorkItem("company"), "ValueError: no such zone", NEXT_NIGHT)

    found = nightly_jobs(office)

    failed = ("failed", "ValueError: no such zone")
    assert {job: (row.state, row.error) for job, row in found.items()} == {
        "distribution": failed,
        "balancing": failed,
    }


def test_failed_account_is_counted_while_the_job_is_done(office):
    distributing.distribute_next_due(office.tx, NEXT_NIGHT, 10)
    item = WorkItem("company", "patient")
    postponing.postpone(office.tx, WorkKind.DISTRIBUTE_ACCOUNT, item, "ValueError: odd", NEXT_NIGHT)

    row = nightly_jobs(office)["distribution"]

    assert (row.state, row.failed_items, row.has_problem) == ("done", 1, True)


def test_postponed_work_of_a_later_release_is_listed_with_its_code(office):
    postponing.postpone(office.tx, WorkKind.SNAPSHOT_COMPANY, WorkItem("company"), "ValueError: odd", NEXT_NIGHT)
    office.tx.execute(text("UPDATE postponed_work SET kind = 'of_a_later_release'"))

    found = read_operations(office.tx, NEXT_NIGHT, EVERYTHING)

    assert [operations_wording.work_kind_name(each.kind) for each in found.postponed] == ["of_a_later_release"]


@pytest.mark.parametrize("scope", [Scope.of_companies("another"), Scope.of_clinic("company", "clinic")])
def test_jobs_of_other_companies_and_of_whole_companies_are_hidden(office, scope):
    postponing.postpone(office.tx, WorkKind.BALANCE_COMPANY, WorkItem("company"), "ValueError", NEXT_NIGHT)

    found = read_operations(office.tx, NEXT_NIGHT, scope)

    assert (list(found.nightly), list(found.postponed)) == ([], [])
