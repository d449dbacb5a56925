"""An operator finds last night's failures, and goes from a payment to its task and back."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from playwright.sync_api import Page, expect

from config.database_urls import libpq_url
from config.engines import running_stack
from tasks import failed_tasks
from tasks.failed_tasks import FailedTask
from tasks.resources import connect_redis
from tests.acceptance.events import line_key, patient, payment
from tests.acceptance.stack import Stack
from tests.browser.person import Person

LogInFunction = Callable[..., Page]
COMPANY, ERROR, TASK = "unlucky-co", "ValueError: Unknown time zone", "6f1c1a52-0000-4000-8000-000000000001"


INSERT_FAILURES = """
INSERT INTO postponed_work (company_id, kind, item_id, failed_attempts, error, first_failed_at, failed_at, next_try_at)
VALUES (%s, 'balance_company', '', 2, %s, now(), now(), now() + interval '1 hour')
"""


@pytest.fixture
def failed_night(console_stack: Stack) -> Iterator[None]:
    """Last night a balancing and a task failed."""
    stack = running_stack(console_stack.home)
    assert stack
    with (
        psycopg.connect(libpq_url(stack.engines.database_url), autocommit=True) as connection,
        connect_redis(stack.engines.redis_url) as feed,
    ):
        connection.execute(INSERT_FAILURES, (COMPANY, ERROR))
        failed_tasks.record(feed, FailedTask("billing.balance", TASK, datetime.now(UTC), "ValueError", "backoffice-1"))
        yield
        connection.execute("DELETE FROM postponed_work WHERE company_id = %s", (COMPANY,))
        feed.delete(failed_tasks.FAILED_TASKS_KEY)


@pytest.mark.usefixtures("failed_night")
@pytest.mark.parametrize("width", ["desk", "phone"])
def test_operator_finds_last_nights_failures(log_in_person: Callable[[str, str, str], Person], width: str) -> None:
    operator = log_in_person("olga", "g: find what failed last night", width)
    page = operator.page

    failed = page.get_by_role("region", name="Nightly jobs with a problem").get_by_role("row").filter(has_text=COMPANY)
    expect(failed).to_contain_text(ERROR)
    operator.click(page.get_by_role("main").get_by_role("link", name="Health"))

    faults = page.get_by_role("region", name="Needs attention")
    expect(faults).to_contain_text(f"Nightly balancing of {COMPANY}: failed")
    expect(faults).to_contain_text("billing.balance")
    job = page.get_by_role("region", name="Last night's jobs").get_by_role("row").filter(has_text=COMPANY)
    expect(job).to_contain_text(ERROR)
    expect(job).to_contain_text("It is tried again automatically.")
    task = page.get_by_role("region", name="Failed tasks of the last 24 hours").get_by_role("link", name=TASK)
    expect(task).to_have_attribute("href", re.compile(f"/task/{TASK}$"))
    operator.is_done(desk=1, phone=1)


def test_payment_links_to_its_task_in_flower_and_back(console_stack: Stack, logged_in: LogInFunction) -> None:
    clinic = "traced"
    console_stack.set_clinic(clinic, "Copay")
    console_stack.publish(patient(f"{clinic}-ada"), payment(clinic, "visit"))
    console_stack.wait_until_idle()
    page = logged_in("ann")

    page.goto(f"/timeline?payment={line_key(clinic, 'visit')}")
    page.get_by_role("link", name="Task in Flower").first.click()
    expect(page.get_by_role("link", name="payments.import_events")).to_be_visible()
    page.get_by_role("link", name="Payments of this task in the console").click()

    expect(page.get_by_role("link", name=line_key(clinic, "visit"))).to_be_visible()
