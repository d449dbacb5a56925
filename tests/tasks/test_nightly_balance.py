"""The nightly balancing handles a few companies per transaction. The next task continues with the next company."""

import time
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import text

from payments.core.postponed_work import WorkItem
from payments.store.db.connection import transaction
from payments.store.reports.balance_batches import next_companies
from tasks import time_slice
from tasks.balancing import balance_week
from tests.builders.events import paid
from tests.tasks.refusing import finish_work, import_visits, new_company

pytestmark = pytest.mark.slow

DAY, SINCE, UNTIL = "2033-06-01", date(2033, 5, 30), date(2033, 6, 5)
NOW = datetime(2033, 6, 8, 18, tzinfo=UTC)


@pytest.fixture
def companies(worker_process, resources):
    """Three companies, with two, one and three lines in the last full week."""
    finish_work(worker_process)
    prefix = f"zzzz-{time.time_ns()}"  # after the companies of earlier tests
    companies = [new_company(resources, f"{prefix}-{number}") for number in (1, 2, 3)]
    for company, patients in zip(companies, (["ada", "bob"], ["ada"], ["ada", "bob", "cyd"]), strict=True):
        import_visits(resources, company, patients, **paid("30.00", DAY))
    return companies


@pytest.mark.parametrize(("lines_max", "sizes"), [(1, [1, 1, 1]), (3, [2, 1]), (4, [2, 1]), (6, [3])])
def test_batch_is_limited_in_lines_or_has_one_company(resources, companies, lines_max, sizes):
    batches, after = [], companies[0][:-1]
    with transaction(resources.database) as tx:
        while batch := next_companies(tx, after, SINCE, UNTIL, lines_max):
            batches.append(batch)
            after = batch[-1].company_id

    assert [each for batch in batches for each in batch] == [WorkItem(company) for company in companies]
    assert [len(batch) for batch in batches] == sizes


def test_next_task_continues_after_the_last_balanced_company(resources, companies, log_entries, monkeypatch):
    monkeypatch.setattr(time_slice, "TIME_SLICE_SECONDS", 0)  # one batch is a whole time slice
    make_unexplained(resources, companies)
    has_more, tasks = True, 0
    while has_more:
        _, has_more = balance_week(resources.database, NOW, lines_max=1)
        tasks += 1

    assert unexplained_companies(log_entries) == companies
    assert tasks > len(companies)
    assert balance_week(resources.database, NOW) == ("not due", False)


def make_unexplained(resources, companies):
    """Change the stored amounts of the EMR, so that each company has an unexplained difference."""
    with transaction(resources.database) as tx:
        change = "UPDATE lines SET amount_paid = amount_paid + 1 WHERE company_id = ANY(:companies)"
        tx.execute(text(change), {"companies": companies})


def unexplained_companies(log_entries):
    """Return the companies of the logged differences, in order."""
    return [each["company"] for each in log_entries if each["event"] == "balance_unexplained"]
