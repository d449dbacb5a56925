"""The standbys of a primary, and the problems with them that `payments health` reports."""

import subprocess
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest

from config.database_urls import libpq_url
from devstack.postgres_binaries import postgres_program
from payments.store.db.connection import connect, transaction
from payments.store.db.replication import Replication, Standby, read_replication
from payments.store.db.statement import text
from tasks.engine_check import replication_problems
from tests.builders.synchronous_primary import synchronous_primary
from tests.faults.processes import wait_for

SYNCHRONOUS_STANDBY = Standby("one", is_synchronous=True, lag=timedelta(0))
ASYNCHRONOUS_STANDBY = Standby("two", is_synchronous=False, lag=timedelta(seconds=2))
LAGGING_STANDBY = Standby("three", is_synchronous=True, lag=timedelta(seconds=45))


@pytest.fixture(scope="module")
def primary(tmp_path_factory):
    with synchronous_primary(tmp_path_factory.mktemp("primary")) as running:
        yield running


@contextmanager
def running_standby(url, folder):
    """While the block runs, receive the primary's write-ahead log. The primary sees a standby named `copy`."""
    folder.mkdir()
    connection = f"{libpq_url(url)}&application_name=copy"
    command = [postgres_program("pg_receivewal"), "-D", str(folder), "--synchronous", "-d", connection]
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def set_synchronous_standbys(primary, names):
    with psycopg.connect(libpq_url(primary.url), autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        connection.execute("SELECT pg_reload_conf()")


@pytest.mark.slow
def test_standbys_of_a_primary_are_read_with_their_mode(primary, tmp_path):
    engine = connect(primary.url, application_name="tests")

    def read_standbys():
        with transaction(engine) as tx:
            found = read_replication(tx)
        return found.commits_wait, [(each.name, each.is_synchronous) for each in found.standbys]

    assert read_standbys() == (False, [])
    with running_standby(primary.url, tmp_path / "log"):
        wait_for(lambda: read_standbys() == (False, [("copy", False)]), 20, "the standby is connected")
        set_synchronous_standbys(primary, "copy")
        wait_for(lambda: read_standbys() == (True, [("copy", True)]), 20, "the standby is synchronous")
    set_synchronous_standbys(primary, "")
    engine.dispose()


@pytest.mark.slow
def test_standbys_are_not_reported_to_a_role_that_may_not_see_them(primary):
    engine = connect(primary.url, application_name="tests")
    with transaction(engine) as tx:
        tx.execute(text("SET LOCAL ROLE payments_console"))
        assert read_replication(tx) is None
    engine.dispose()


@pytest.mark.parametrize(
    ("commits_wait", "standbys", "problems"),
    [
        (False, [], []),
        (True, [SYNCHRONOUS_STANDBY, ASYNCHRONOUS_STANDBY], []),
        (True, [], ["commits wait for a standby"]),
        (True, [ASYNCHRONOUS_STANDBY], ["commits wait for a standby"]),
        (False, [ASYNCHRONOUS_STANDBY], ["no standby is synchronous (two)"]),
        (True, [LAGGING_STANDBY], ["the standby three lags by 45 s"]),
    ],
)
def test_health_names_the_problem_of_the_standbys(commits_wait, standbys, problems):
    found = list(replication_problems(Replication(commits_wait, standbys)))

    assert len(found) == len(problems)
    for sentence, beginning in zip(found, problems, strict=True):
        assert sentence.startswith(beginning)
