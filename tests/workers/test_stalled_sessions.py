"""Who falls silent in the midst of a statement is cut off in time, and nobody else is."""

from contextlib import closing, contextmanager
from uuid import uuid4

import psycopg
import pytest
import structlog
from sqlalchemy import create_engine, text

from payments.store.db import stalled_sessions
from payments.store.db.connection import LOCK_TIMEOUT_SECONDS, transaction
from payments.store.db.stalled_sessions import Silence, silences
from tests.faults.processes import until
from workers.runtime.stalled_sessions import SILENT_SECONDS_MAX, Silences


@pytest.fixture
def name():
    """What the silent process of this test alone is called: one that was cut off may take a moment to end."""
    return f"frozen {uuid4()}"


@contextmanager
def silent(database, name, how):
    """Hold a lock in a process that is silent in the midst of a statement."""
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg.connect(url, application_name=name)) as frozen:
        frozen.execute("SELECT pg_advisory_xact_lock(77)")
        match how:
            case "a COPY waits for rows":
                frozen.pgconn.exec_(b"COPY history (what) FROM STDIN")
                until_seen(database, name)
            case "a result waits to be taken":
                frozen.pgconn.send_query(b"SELECT repeat('x', 100000000)")
                until_seen(database, name)
        yield frozen


def until_seen(database, name):
    """Wait until the server waits for this one, which takes it a moment, and return how."""
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        return until(lambda: silences(connection, [name]), 10, "it is silent")


@pytest.mark.parametrize("how", ["a COPY waits for rows", "a result waits to be taken"])
def test_who_is_silent_in_the_midst_of_a_statement_for_too_long_is_ended_and_its_locks_with_it(database, name, how):
    watch = Silences(database, ["another", name])
    with silent(database, name, how), database.connect() as other:
        assert watch.end(1_000.0) == 0
        assert watch.end(1_000.0 + SILENT_SECONDS_MAX - 0.1) == 0
        assert watch.end(1_000.0 + SILENT_SECONDS_MAX) == 1

        other.execute(text("SELECT pg_advisory_xact_lock(77)"))
    assert SILENT_SECONDS_MAX + 2 < LOCK_TIMEOUT_SECONDS


def test_who_goes_on_begins_anew(database, name):
    watch = Silences(database, [name])
    with silent(database, name, "a COPY waits for rows") as worker:
        assert watch.end(0.0) == 0
        worker.pgconn.put_copy_end()
        while worker.pgconn.get_result():
            pass
        worker.pgconn.exec_(b"COPY history (what) FROM STDIN")
        until_seen(database, name)

        assert watch.end(SILENT_SECONDS_MAX + 1.0) == 0
        assert watch.end(2 * SILENT_SECONDS_MAX + 1.0) == 1


def test_who_has_another_name_is_left_alone(database, name):
    watch = Silences(database, ["another"])
    with silent(database, name, "a COPY waits for rows"):
        assert [watch.end(now) for now in (0.0, 1_000.0)] == [0, 0]


def test_who_says_nothing_between_two_statements_is_left_to_postgres(database, name):
    watch = Silences(database, [name])
    with silent(database, name, "nothing is under way"):
        assert [watch.end(now) for now in (0.0, 1_000.0)] == [0, 0]


def test_who_went_on_since_the_look_is_not_ended(database, name):
    with silent(database, name, "a COPY waits for rows"):
        (found,) = until_seen(database, name)
        with transaction(database) as tx:
            assert stalled_sessions.end(tx, [Silence(found.pid, found.began.replace(year=2020))]) == 0
            assert stalled_sessions.end(tx, [found]) == 1


def test_where_nothing_answers_nobody_is_ended():
    nowhere = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    assert Silences(nowhere, ["frozen"]).end(0.0) == 0


def test_where_nobody_may_be_ended_it_is_logged_and_goes_on(database, name, monkeypatch):
    watch = Silences(database, [name])
    with silent(database, name, "a COPY waits for rows"):
        watch.end(0.0)
        # Whoever may not end a connection is told so in the same way.
        monkeypatch.setattr(stalled_sessions, "end", lambda tx, _: tx.execute(text("SELECT refused()")))
        with structlog.testing.capture_logs() as logged:
            assert watch.end(1_000.0) == 0

    assert [entry["event"] for entry in logged] == ["silent workers not looked for"]
