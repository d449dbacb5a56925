"""The task that detects exceptions opens, recomputes and closes them."""

from datetime import date
from uuid import uuid4

import pytest

from payments.journeys import importing, reporting
from payments.journeys.reporting import ExceptionFilter
from payments.store.db.connection import transaction
from tasks import detecting
from tasks.detecting import detect_exceptions
from tasks.resources import connect_redis
from tests.builders.committed import CommittedLedger
from tests.builders.events import NOW, deleted_payment, paid, run_context, saved_payment, stream_entries
from tests.builders.office import Office

SUMMARY_WITHOUT_CHANGES = "opened 0, recomputed 0, closed by themselves 0"


@pytest.fixture(autouse=True)
def _detect_leftovers(worker_process, engines):
    detect_exceptions()
    take_accept_messages(engines)


@pytest.fixture
def clinic_ids(resources):
    """Create a clinic with three payments of 25.00 in the closed April 2020. Return the company and clinic id."""
    company = f"company-{uuid4()}"
    line = {"company_id": company, "clinic_id": company}
    with transaction(resources.database) as tx:
        office = Office(tx, date(2020, 6, 10), company, company)
        office.publish(*(saved_payment(payment_id=each, **line, **paid("25.00", "2020-04-08")) for each in "abc"))
        office.close_months("2020-04")
    return line


def import_without_enqueueing(resources, *events):
    """Import events without enqueueing a task."""
    CommittedLedger(resources.database, NOW).import_events(*events)


def take_accept_messages(engines):
    """Remove the messages of `accept_by_policy` from the broker, and return their number."""
    with connect_redis(engines.broker_url) as broker:
        waiting = broker.llen("payments:adjustments")
        broker.flushdb()
        return waiting


def statuses(resources, clinic_ids):
    with transaction(resources.database) as tx:
        rows = list(reporting.exceptions(tx, ExceptionFilter(status=None)))
    return {row.payment.split("/")[1]: row.status for row in rows if row.company == clinic_ids["company_id"]}


def test_missed_exceptions_are_opened_and_adjustments_enqueued(resources, engines, clinic_ids):
    import_without_enqueueing(resources, *(deleted_payment(payment_id=each, version=2, **clinic_ids) for each in "ab"))

    assert detect_exceptions() == "opened 2, recomputed 0, closed by themselves 0"

    assert statuses(resources, clinic_ids) == {"a": "open", "b": "open"}
    assert take_accept_messages(engines) == 1


def test_second_run_finds_nothing_and_enqueues_nothing(resources, engines, clinic_ids):
    import_without_enqueueing(resources, deleted_payment(payment_id="a", version=2, **clinic_ids))
    detect_exceptions()
    take_accept_messages(engines)

    assert detect_exceptions() == SUMMARY_WITHOUT_CHANGES
    assert take_accept_messages(engines) == 0


def test_payment_saved_again_recomputes_or_closes_its_exception(resources, engines, clinic_ids):
    import_without_enqueueing(resources, *(deleted_payment(payment_id=each, version=2, **clinic_ids) for each in "ab"))
    detect_exceptions()
    take_accept_messages(engines)
    import_without_enqueueing(
        resources,
        saved_payment(payment_id="a", version=3, **clinic_ids, **paid("25.00", "2020-04-08")),
        saved_payment(payment_id="b", version=3, **clinic_ids, **paid("30.00", "2020-04-08")),
    )

    assert detect_exceptions() == "opened 0, recomputed 1, closed by themselves 1"

    assert statuses(resources, clinic_ids) == {"a": "auto_closed", "b": "open"}
    assert take_accept_messages(engines) == 1


def test_detect_exceptions_continues_until_no_line_is_left(resources, clinic_ids, monkeypatch):
    import_without_enqueueing(resources, *(deleted_payment(payment_id=each, version=2, **clinic_ids) for each in "abc"))
    monkeypatch.setattr(detecting, "BATCH_LINES", 2)

    assert detect_exceptions() == "opened 3, recomputed 0, closed by themselves 0"


def test_locked_payment_is_left_for_the_next_run(resources, clinic_ids):
    import_without_enqueueing(resources, *(deleted_payment(payment_id=each, version=2, **clinic_ids) for each in "ab"))
    with transaction(resources.database) as tx:
        importing.import_events(
            tx,
            stream_entries([saved_payment(payment_id="b", version=3, **clinic_ids, **paid("1.00", "2020-04-08"))]),
            run_context(),
        )
        assert detect_exceptions() == "opened 1, recomputed 0, closed by themselves 0"

    assert detect_exceptions() == "opened 1, recomputed 0, closed by themselves 0"
    assert statuses(resources, clinic_ids) == {"a": "open", "b": "open"}
