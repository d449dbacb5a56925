"""The Celery configuration: known option names, time limits, routes and expiry."""

import pytest
from celery import Celery
from celery.app.defaults import NAMESPACES, flatten
from kombu.connection import Connection

from config.celery import (
    HARD_LIMIT_SECONDS,
    QUEUE_NAMES,
    SOFT_LIMIT_SECONDS,
    SOFT_SHUTDOWN_SECONDS,
    VISIBILITY_SECONDS,
    celery_settings,
)
from config.engines import Engines
from config.schedule import RECURRING


def configuration(redis_url="redis://127.0.0.1:6379/0"):
    return celery_settings(Engines.from_urls("postgresql+psycopg:///d", redis_url))


def app():
    app = Celery("test", set_as_current=False)
    app.conf.update(configuration())
    return app


def test_every_setting_is_known_to_celery():
    known = {name for name, _ in flatten(NAMESPACES)}

    assert set(configuration()) - known == set()


def test_every_transport_option_is_known_to_kombu():
    with Connection("redis://") as connection:
        known = set(connection.transport.Channel.from_transport_options)

    assert set(configuration()["broker_transport_options"]) - known == set()


def test_message_is_redelivered_only_after_every_time_limit():
    assert SOFT_LIMIT_SECONDS < HARD_LIMIT_SECONDS
    assert HARD_LIMIT_SECONDS + SOFT_SHUTDOWN_SECONDS < VISIBILITY_SECONDS
    assert configuration()["broker_transport_options"]["visibility_timeout"] == VISIBILITY_SECONDS


@pytest.mark.parametrize(
    ("task", "queue"),
    [
        ("payments.import_events", "imports"),
        ("payments.retry_due", "retries"),
        ("payments.retry_entries", "retries"),
        ("billing.detect_exceptions", "findings"),
        ("billing.apply_adjustments", "adjustments"),
        ("billing.close_months", "nightly"),
        ("billing.distribute_payments", "nightly"),
        ("billing.balance", "nightly"),
    ],
)
def test_task_is_routed_to_its_queue(task, queue):
    assert app().amqp.router.route({}, task)["queue"].name == queue


def test_undeclared_queue_is_rejected():
    assert set(app().amqp.queues) == set(QUEUE_NAMES)
    with pytest.raises(Exception, match="nowhere"):
        app().amqp.router.route({"queue": "nowhere"}, "payments.import_events")


def test_certificate_is_verified_for_a_tls_url():
    assert configuration("rediss://h:6380/0")["broker_use_ssl"] == {"ssl_cert_reqs": "required"}
    assert configuration("redis://h:6380/0")["broker_use_ssl"] is False


def test_recurring_messages_do_not_expire():
    """Messages have no `expires`, because a worker compares it with its own clock, not the scheduler's."""
    assert [each.task for each in RECURRING if {*each.entry()} != {"task", "schedule"}] == []
