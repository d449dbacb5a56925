"""The health check: its pings to workers, streams without a reader, and a read-only database."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from config.celery import FINDINGS, IMPORTS
from config.database_urls import libpq_url
from payments.core.outage import OutageReason
from tasks import health_check, worker_check
from tasks.enqueue import WAITING_MESSAGES_MAX
from tasks.feed import outage
from tasks.feed.heartbeat import send_heartbeat
from tasks.feed.lag import milliseconds
from tasks.feed.oldest_events import waiting_by_company
from tasks.feed.streams import Streams
from tasks.health import ping
from tasks.outage_wording import SENTENCE_BY_OUTAGE
from tests.builders.events import event_body, saved_payment
from tests.engines import scratch_database
from tests.tasks.dispatching import arguments_of

pytestmark = pytest.mark.usefixtures("worker_process")


def test_ping_is_answered_while_it_is_valid(resources):
    reply_to = worker_check.send_ping(resources.feed, resources.broker, FINDINGS, 60)
    message = json.loads(resources.broker.rpop(f"payments:{FINDINGS}"))

    assert message["headers"]["expires"] is None
    assert ping(**arguments_of(message)) == resources.worker
    assert resources.feed.rpop(reply_to).decode() == resources.worker


def test_expired_ping_is_not_answered(resources):
    reply_to = worker_check.send_ping(resources.feed, resources.broker, FINDINGS, 60)
    arguments = arguments_of(json.loads(resources.broker.rpop(f"payments:{FINDINGS}")))
    resources.feed.delete(arguments["valid_while"])  # as if it had expired

    assert ping(**arguments) == "too late"
    assert not resources.feed.exists(reply_to)


def test_ping_of_an_earlier_release_is_answered(resources):
    reply_to = f"payments:canary:{uuid4()}"

    assert ping(reply_to=reply_to) == resources.worker
    assert resources.feed.lpop(reply_to)


def test_number_of_pings_in_a_queue_without_workers_is_limited(resources):
    for _ in range(WAITING_MESSAGES_MAX + 5):
        assert worker_check.send_ping(resources.feed, resources.broker, IMPORTS, 1)

    assert resources.broker.llen(f"payments:{IMPORTS}") == WAITING_MESSAGES_MAX


def test_health_check_reports_a_company_whose_events_wait_for_long(resources):
    now = datetime.now(UTC)
    streams = Streams(resources.feed, f"emr:{uuid4()}")
    streams.ensure_groups()
    for company, minutes in (("stuck", 9), ("stuck", 7), ("unread", 6), ("new", 1)):
        body = event_body(saved_payment(company_id=company, clinic_id=company))
        entry_id = f"{milliseconds(now - timedelta(minutes=minutes))}-0"
        resources.feed.xadd(streams.name, {"event": body}, id=entry_id)
    streams.read_new([streams.name], 2, "no-reply")

    status = health_check._check_age(waiting_by_company(streams, now))

    assert (status.is_up, status.detail) == (False, "events wait: stuck for 540 s, unread for 360 s")


def test_health_check_accepts_events_that_have_just_arrived(resources):
    streams = Streams(resources.feed, f"emr:{uuid4()}")
    streams.ensure_groups()
    resources.feed.xadd(streams.name, {"event": event_body(saved_payment())})

    assert health_check._check_age(waiting_by_company(streams, datetime.now(UTC))).is_up


def test_health_check_reports_a_stream_that_no_dispatcher_reads(resources):
    settings = resources.settings.model_copy(update={"streams": 2})
    send_heartbeat(resources.feed)
    assert health_check._check_intake(resources.feed, settings).is_up
    unread = f"{settings.stream}:9"
    resources.feed.xadd(unread, {"event": "{}"})

    status = health_check._check_intake(resources.feed, settings)
    resources.feed.delete(unread)

    assert not status.is_up
    assert unread in status.detail


def test_health_check_reports_a_read_only_database(engines, postgres_url, ledger_template):
    with scratch_database(postgres_url, ledger_template) as url:
        assert health_check._check_postgres(replace(engines, database_url=url)).is_up
        with psycopg.connect(libpq_url(url), autocommit=True) as connection:
            name = connection.info.dbname
            connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')

        status = health_check._check_postgres(replace(engines, database_url=url))

    assert (status.is_up, "read-only" in status.detail) == (False, True)


def test_health_check_lists_all_components_if_the_broker_does_not_answer(engines, resources):
    unreachable = replace(engines, broker_url="redis://127.0.0.1:1/1")

    health = health_check.check_health(unreachable, resources.settings, timeout_seconds=0)

    statuses = {each.name: each for each in health.components}
    assert not statuses["broker"].is_up
    assert statuses["Redis"].is_up
    assert {"intake", "importer", "scheduler"} <= set(statuses)
    assert health.queue_lengths == {}


@pytest.mark.parametrize("reason", OutageReason)
def test_health_check_reports_an_outage_that_pauses_the_import(resources, reason):
    assert health_check._check_import(resources.feed).is_up
    outage.report(resources.feed, reason)

    status = health_check._check_import(resources.feed)

    assert not status.is_up
    assert SENTENCE_BY_OUTAGE[reason] in status.detail
    assert f"({reason})" in status.detail
