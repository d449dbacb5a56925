"""The rights of each Redis and PostgreSQL user of docker-compose.yml, on real servers."""

import fcntl
import json
import os
import subprocess
from contextlib import closing
from datetime import UTC, date, datetime
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from config.celery import IMPORTS, celery_settings
from config.database_urls import libpq_url
from config.engines import Engines
from devstack.postgres_binaries import postgres_program
from emr.client import PaymentFeed
from emr.errors import FeedRefusedError
from payments.access import audit
from payments.access.audit import AuditEntry
from payments.store.db.connection import connect, transaction
from payments.store.migrations import is_current
from tasks.feed import stream
from tasks.feed.dispatcher import REPLY_PREFIX
from tasks.resources import connect_redis
from tests.builders.events import paid, saved_patient, saved_payment
from tests.builders.office import Office
from tests.engines import scratch_database
from tests.ops.composed import PROBE, content
from tests.store.test_partitions import BY_MONTH, create_partitions

pytestmark = pytest.mark.acceptance

STREAM = "emr:payments"


def is_refused(client, *command):
    try:
        client.execute_command(*command)
    except (redis.exceptions.NoPermissionError, redis.AuthenticationError):
        return True
    except redis.ResponseError as error:
        return "NOPERM" in str(error)
    return False


def test_emr_user_can_only_add_to_its_stream(server):
    url = f"redis://emr:emr-secret@127.0.0.1:{server}/0"
    with PaymentFeed(url, STREAM) as feed, PaymentFeed(url, "another") as another:
        assert feed.publish(saved_payment())
        assert feed.publish_many([saved_payment(), saved_patient()]) == 2
        with pytest.raises(FeedRefusedError):
            another.publish(saved_payment())
    with redis.Redis.from_url(url) as client:
        others = [f"XRANGE {STREAM} - +", f"XLEN {STREAM}", f"DEL {STREAM}", f"XTRIM {STREAM} MAXLEN 0", "KEYS *"]
        assert [
            command for command in [*others, "FLUSHALL", "CONFIG GET *"] if not is_refused(client, *command.split())
        ] == []


def test_redis_rejects_anonymous_clients(server):
    with redis.Redis(port=server, retry=Retry(NoBackoff(), 0)) as client:
        assert is_refused(client, "PING")
    with redis.Redis(port=server, **PROBE) as client:
        assert client.ping()
        assert is_refused(client, "XLEN", STREAM)


def test_service_user_reads_the_feed_but_cannot_flush_redis(server):
    url = f"redis://billing:billing-secret@127.0.0.1:{server}/0"
    with closing(connect_redis(url)) as feed:
        stream.ensure_group(feed, STREAM)
        entry = feed.xadd(STREAM, {"event": json.dumps({"type": "nothing"})}).decode()
        seen = stream.group_state(feed, STREAM)
        assert stream.wait_for_new(feed, {STREAM: seen.last_delivered_id}, 10) == [STREAM]
        assert entry in [each.entry_id for each in stream.read_new(feed, [STREAM], 10, f"{REPLY_PREFIX}rights")[STREAM]]
        assert stream.wait_for_reply(feed, f"{REPLY_PREFIX}rights", 1_000)
        stream.acknowledge_and_delete(feed, STREAM, [each.entry_id for each in stream.claim(feed, STREAM, [entry])])
        assert feed.info("memory")["maxmemory_policy"] == "noeviction"
        assert feed.info("persistence")["aof_enabled"] == 1
        others = ["FLUSHDB", "FLUSHALL", "CONFIG SET maxmemory 1", "ACL LIST", "SHUTDOWN", "KEYS *", "SWAPDB 0 1"]
        assert [command for command in others if not is_refused(feed, *command.split())] == []
    assert message_round_trip(Engines.named("postgresql+psycopg://u@h/d", url))


def message_round_trip(engines, adapt=dict):
    from celery import Celery  # noqa: PLC0415 (only this function creates a Celery application)

    app = Celery("rights", set_as_current=False)
    app.conf.update(adapt(celery_settings(engines)))
    with app.connection_for_write() as connection:
        queue = connection.SimpleQueue(app.amqp.queues[IMPORTS])
        queue.put({"entry_ids": ["1-0"]})
        message = queue.get(timeout=5)
        message.ack()
        queue.close()
    return message.payload == {"entry_ids": ["1-0"]}


@pytest.fixture(scope="module")
def application_role_lock(tmp_path_factory):
    """Lock the role `payments_app`, which is shared by all databases of the server, between test processes."""
    with (tmp_path_factory.getbasetemp().parent / "payments_app").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def application(postgres_url, empty_ledger, application_role_lock):
    """A connection pool of a migrated database, with the role of the services."""
    with scratch_database(postgres_url, empty_ledger) as url:
        grant_rights(url)
        grant_rights(url)  # repeated at every start
        parts = urlsplit(url)
        netloc = f"payments_app:app-secret@{parts.netloc.rpartition('@')[2]}"
        database = connect(parts._replace(netloc=netloc).geturl(), application_name="rights")
        yield database
        database.dispose()
        with psycopg.connect(libpq_url(url), autocommit=True) as owner:
            owner.execute("DROP OWNED BY payments_app")
            owner.execute("DROP ROLE payments_app")


def grant_rights(url):
    command = [postgres_program("psql"), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", "-"]
    done = subprocess.run(
        [*command, libpq_url(url)],
        check=False,
        input=content("grants"),
        env=os.environ | {"APP_DB_PASSWORD": "app-secret"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_service_roles_have_sufficient_rights(application):
    with transaction(application) as tx:
        office = Office(tx, date(2026, 6, 10))
        payment = saved_payment(**paid("25.00", "2026-05-05"))
        office.publish(payment, saved_payment(**paid("9.00", "2026-06-05", payment_id="other")), b"no event")
        office.set_today(date(2026, 7, 2))
        office.close_months("2026-05")
        office.publish(saved_payment(**paid("30.00", "2026-05-05", version=2)))
        assert len(office.accept_all(date(2026, 7, 1))) == 1
        office.requeue(["clinic/other/1"])
        office.distribute_all()
        assert len(office.ledger_entries()) == 3
    assert is_current(application)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET amount = 0",
        "DELETE FROM history",
        "UPDATE audit SET who = 'nobody'",
        "TRUNCATE allocations",
        "ALTER TABLE entries DISABLE TRIGGER ALL",
        "DROP TABLE lines",
        "CREATE TABLE mine (id int)",
        "UPDATE alembic_version SET version_num = '0'",
        "DELETE FROM history_default",
        "INSERT INTO audit_default SELECT * FROM audit",
        "SELECT drop_partitions('history', '2036-01-01')",
    ],
)
def test_service_roles_cannot_change_append_only_rows_or_tables(application, statement):
    with pytest.raises(DBAPIError) as error, transaction(application) as tx:
        tx.execute(text(statement))
    assert getattr(error.value.orig, "sqlstate", None) == "42501"


def test_service_roles_create_partitions_and_read_them_only_through_the_parent_table(application):
    with transaction(application) as tx:
        assert create_partitions(tx, date(2026, 6, 10)) == 5 * len(BY_MONTH)
        audit.add(tx, AuditEntry(datetime(2026, 6, 10, tzinfo=UTC), "user:ada", "logged in", "ada"))
        assert tx.execute(text("SELECT tableoid::regclass::text FROM audit")).scalars().all() == ["audit_2026_06"]
    for statement in ("DELETE FROM audit_2026_06", "SELECT FROM audit_2026_06"):
        with pytest.raises(DBAPIError, match="permission denied"), transaction(application) as tx:
            tx.execute(text(statement))
