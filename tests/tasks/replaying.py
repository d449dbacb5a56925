"""Import events from a partitioned feed that keeps entries, and replay the kept entries."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from config.database_urls import with_database
from emr.client import PaymentFeed
from payments.store.db.connection import connect
from tasks.feed import import_attempt
from tasks.feed.leased_import import NOTHING_IMPORTED
from tasks.feed.replay import Replay, plan_replay
from tasks.resources import connect_redis
from tests.engines import scratch_database

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@contextmanager
def opened_database(url):
    database = connect(url, application_name="tests")
    try:
        yield database
    finally:
        database.dispose()


@contextmanager
def with_standby_ledger(importer):
    """Copy the ledger, as it is on a cut-off standby. Yield the importer's resources with the copy as database."""
    url = importer.database.url.render_as_string(hide_password=False)
    importer.database.dispose()
    with (
        scratch_database(with_database(url, "postgres"), importer.database.url.database) as copy,
        opened_database(copy) as database,
    ):
        yield replace(importer, database=database)


def publish(worker, bodies, **options):
    redis_url = _url_of(worker)
    with PaymentFeed(redis_url, worker.settings.stream, worker.settings.streams, **options) as feed:
        feed.publish_many(bodies)


def _url_of(worker):
    kwargs = worker.feed.connection_pool.connection_kwargs
    return f"redis://:{kwargs.get('password') or ''}@{kwargs['host']}:{kwargs['port']}/{kwargs.get('db', 0)}"


def import_all(worker):
    while import_attempt.import_new(worker, "no-reply", worker.streams.names) != NOTHING_IMPORTED:
        pass


def run_replay(worker, since=LONG_AGO, until=None, **options):
    """Run a replay with a separate client, as the command does, and return its statistics."""
    with connect_redis(_url_of(worker)) as feed:
        mine = replace(worker, feed=feed, worker="replay-1")
        made = Replay(mine, **options)
        list(made.run(plan_replay(mine.streams, since, until)))
        return made.stats
