"""The sweep for exceptions as a message: it opens what was missed and closes what has mended itself."""

from datetime import date
from uuid import uuid4

import pytest

from payments.journeys import importing, reporting
from payments.journeys.reporting import ExceptionFilter
from payments.store.db.connection import transaction
from tasks import detecting
from tasks.detecting import detect_exceptions
from tasks.resources import connect_redis
from tests.make import arrived, deleted, run, saved
from tests.office import Office, paid

NOTHING = "opened 0, recomputed 0, closed by themselves 0"


@pytest.fixture(autouse=True)
def _nothing_left_to_find(at_work, engines):
    detect_exceptions()
    hints(engines)


@pytest.fixture
def april(here):
    """A company's clinic whose April 2020 is closed, with 25.00 in each of three payments."""
    company = f"company-{uuid4()}"
    line = {"company_id": company, "clinic_id": company}
    with transaction(here.database) as tx:
        office = Office(tx, date(2020, 6, 10), company, company)
        office.publish(*(saved(payment_id=each, **line, **paid("25.00", "2020-04-08")) for each in "abc"))
        office.close("2020-04")
    return line


def hears(here, *events):
    """Import what the EMR saves, and send no hint."""
    with transaction(here.database) as tx:
        importing.import_events(tx, arrived(events), run())


def hints(engines):
    """Take out what was sent to those who accept by policy, as they do."""
    with connect_redis(engines.broker_url) as broker:
        waiting = broker.llen("payments:adjustments")
        broker.flushdb()
        return waiting


def statuses(here, april):
    with transaction(here.database) as tx:
        rows = reporting.exceptions(tx, ExceptionFilter(status=None))
    return {row.payment.split("/")[1]: row.status for row in rows if row.company == april["company_id"]}


def test_it_opens_what_no_hint_was_sent_for_and_tells_those_who_accept_by_policy(here, engines, april):
    hears(here, *(deleted(payment_id=each, version=2, **april) for each in "ab"))

    assert detect_exceptions() == "opened 2, recomputed 0, closed by themselves 0"

    assert statuses(here, april) == {"a": "open", "b": "open"}
    assert hints(engines) == 1


def test_a_second_run_finds_nothing_more_and_tells_nobody(here, engines, april):
    hears(here, deleted(payment_id="a", version=2, **april))
    detect_exceptions()
    hints(engines)

    assert detect_exceptions() == NOTHING
    assert hints(engines) == 0


def test_it_recomputes_what_was_saved_again_and_closes_what_has_mended_itself(here, engines, april):
    hears(here, *(deleted(payment_id=each, version=2, **april) for each in "ab"))
    detect_exceptions()
    hints(engines)
    hears(
        here,
        saved(payment_id="a", version=3, **april, **paid("25.00", "2020-04-08")),
        saved(payment_id="b", version=3, **april, **paid("30.00", "2020-04-08")),
    )

    assert detect_exceptions() == "opened 0, recomputed 1, closed by themselves 1"

    assert statuses(here, april) == {"a": "auto_closed", "b": "open"}
    assert hints(engines) == 1


def test_it_goes_on_until_nothing_is_left(here, april, monkeypatch):
    hears(here, *(deleted(payment_id=each, version=2, **april) for each in "abc"))
    monkeypatch.setattr(detecting, "LIMIT", 2)

    assert detect_exceptions() == "opened 3, recomputed 0, closed by themselves 0"


def test_a_payment_that_someone_else_is_at_is_left_for_the_next_run(here, april):
    hears(here, *(deleted(payment_id=each, version=2, **april) for each in "ab"))
    with transaction(here.database) as tx:
        importing.import_events(
            tx, arrived([saved(payment_id="b", version=3, **april, **paid("1.00", "2020-04-08"))]), run()
        )
        assert detect_exceptions() == "opened 1, recomputed 0, closed by themselves 0"

    assert detect_exceptions() == "opened 1, recomputed 0, closed by themselves 0"
    assert statuses(here, april) == {"a": "open", "b": "open"}
