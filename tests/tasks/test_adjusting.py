"""The task that accepts adjustments for companies with the policy `auto`."""

import os
from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from sqlalchemy import text

from payments.journeys import configuring, detecting, importing, reporting
from payments.journeys.configuring import CompanyUpdate
from payments.journeys.reporting import ExceptionFilter
from payments.store.db.connection import transaction
from tasks import resources as resources_module
from tasks.adjusting import accept_by_policy
from tests.builders.events import deleted_payment, paid, run_context, saved_payment, stream_entries
from tests.builders.office import Office

TODAY = datetime.now(UTC).date()


@pytest.fixture(autouse=True)
def _accept_leftovers(worker_process):
    accept_by_policy()


@pytest.fixture
def company_with_closed_month(resources):
    """Return a function that creates a company with two payments of a closed April.

    The payments are deleted after the close.
    """

    def company_with_closed_month(policy):
        company = f"company-{uuid4()}"
        ids = {"company_id": company, "clinic_id": company}
        with transaction(resources.database) as tx:
            office = Office(tx, date(2020, 6, 10), company, company)
            configuring.set_company(tx, CompanyUpdate(company, adjustments=policy), now=office.now, who="user:admin")
            office.publish(*(saved_payment(payment_id=each, **ids, **paid("25.00", "2020-04-08")) for each in "ab"))
            office.close_months("2020-04")
            office.publish(*(deleted_payment(payment_id=each, version=2, **ids) for each in "ab"))
        return ids

    return company_with_closed_month


def adjustments(resources, ids):
    """Return the adjustments of the company in `ids` as (payment, amount, deposit date, user)."""
    with transaction(resources.database) as tx:
        found = tx.execute(
            text(
                "SELECT payment_id, amount::text, deposit_date, entered_by FROM entries "
                "JOIN lines ON lines.id = line_ref WHERE kind = 'adjustment' AND lines.company_id = :company_id "
                "ORDER BY entries.id"
            ),
            {"company_id": ids["company_id"]},
        )
        return [tuple(row) for row in found]


def open_exceptions(resources, ids):
    with transaction(resources.database) as tx:
        return [row.reason for row in reporting.exceptions(tx, ExceptionFilter()) if row.company == ids["company_id"]]


def test_policy_auto_posts_today_and_policy_review_waits_for_a_biller(resources, company_with_closed_month):
    automatic, reviewed = company_with_closed_month("auto"), company_with_closed_month("review")

    assert accept_by_policy() == "accepted 2 of 2"

    assert adjustments(resources, automatic) == [(each, "-25.00", TODAY, "company policy: auto") for each in "ab"]
    assert open_exceptions(resources, automatic) == []
    assert (adjustments(resources, reviewed), len(open_exceptions(resources, reviewed))) == ([], 2)
    assert accept_by_policy() == "accepted 0 of 0"


def test_zero_due_and_changed_note_wait_for_a_biller_under_any_policy(resources, company_with_closed_month):
    ids = company_with_closed_month("auto")
    accept_by_policy()
    with transaction(resources.database) as tx:
        note = saved_payment(payment_id="n", **ids, **paid("5.00", "2020-05-08"))
        nothing_due = saved_payment(payment_id="z", **ids, **(paid("5.00", "2020-05-08") | {"amount_due": "0.00"}))
        office = Office(tx, date(2020, 6, 10), **{name: ids[name] for name in ("company_id", "clinic_id")})
        office.publish(note, nothing_due)
        office.close_months("2020-05")
        office.publish(
            saved_payment(payment_id="n", version=2, memo="by the window", **ids, **paid("5.00", "2020-05-08"))
        )

    assert accept_by_policy() == "accepted 0 of 0"
    assert sorted(open_exceptions(resources, ids)) == ["closed_month", "zero_due"]


def test_payment_saved_meanwhile_is_skipped_until_the_next_detection(resources, company_with_closed_month):
    ids = company_with_closed_month("auto")
    with transaction(resources.database) as tx:
        again = saved_payment(payment_id="a", version=3, **ids, **paid("10.00", "2020-04-08"))
        importing.import_events(tx, stream_entries([again]), run_context())

    assert accept_by_policy() == "accepted 1 of 2"
    assert [amount for _, amount, *_ in adjustments(resources, ids)] == ["-25.00"]

    with transaction(resources.database) as tx:
        detecting.detect(tx, datetime.now(UTC), "tests-1", 500)
    assert accept_by_policy() == "accepted 1 of 1"
    assert [amount for _, amount, *_ in adjustments(resources, ids)] == ["-25.00", "-15.00"]


def test_locked_payment_is_skipped_until_the_next_run(
    resources, company_with_closed_month, short_lock_database, monkeypatch, log_entries
):
    ids = company_with_closed_month("auto")
    monkeypatch.setitem(resources_module._opened, os.getpid(), replace(resources, database=short_lock_database))
    with transaction(resources.database) as tx:
        held = {"company_id": ids["company_id"], "payment_id": "a"}
        tx.execute(
            text("SELECT FROM lines WHERE company_id = :company_id AND payment_id = :payment_id FOR UPDATE"), held
        )
        assert accept_by_policy() == "accepted 1 of 2"

    assert [entry["event"] for entry in log_entries if entry["log_level"] == "warning"] == ["acceptance_postponed"]
    assert accept_by_policy() == "accepted 1 of 1"
    assert sorted(payment for payment, *_ in adjustments(resources, ids)) == ["a", "b"]
