"""Only sessions that stall in the middle of a statement are terminated, after a time limit."""

from contextlib import closing, contextmanager
from uuid import uuid4

import psycopg
import pytest
import structlog
from sqlalchemy import create_engine, text

from payments.store.db import stalled_sessions
from payments.store.db.connection import LOCK_TIMEOUT_SECONDS, transaction
from payments.store.db.stalled_sessions import StalledSession, find
from tasks.feed.stalled_sessions import STALLED_MS_MAX, StalledSessions
from tests.faults.processes import wait_for


@pytest.fixture
def application_name():
    """A unique application name for the stalled session, because sessions of earlier tests may still be ending."""
    return f"frozen {uuid4()}"


@contextmanager
def stalled_session(database, application_name, how):
    """Open a session that holds a lock and stalls mid-statement; `how` is the kind of stall. Yield its connection."""
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg.connect(url, application_name=application_name)) as frozen:
        frozen.execute("SELECT pg_advisory_xact_lock(77)")
        match how:
            case "a COPY waits for rows":
                frozen.pgconn.exec_(b"COPY history (what) FROM STDIN")
                wait_until_stalled(database, application_name)
            case "a result waits to be taken":
                frozen.pgconn.send_query(b"SELECT repeat('x', 100000000)")
                wait_until_stalled(database, application_name)
        yield frozen


def wait_until_stalled(database, application_name):
    """Wait until PostgreSQL waits for the client of this application, and return the stalled sessions."""
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        return wait_for(lambda: find(connection, [application_name]), 10, "the session is stalled")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["a COPY waits for rows", "a result waits to be taken"])
def test_session_stalled_too_long_is_terminated_and_its_locks_are_released(database, application_name, how):
    monitor = StalledSessions(database, ["another", application_name])
    with stalled_session(database, application_name, how), database.connect() as other:
        assert monitor.terminate(1_000_000) == 0
        assert monitor.terminate(1_000_000 + STALLED_MS_MAX - 100) == 0
        assert monitor.terminate(1_000_000 + STALLED_MS_MAX) == 1

        other.execute(text("SELECT pg_advisory_xact_lock(77)"))
    assert STALLED_MS_MAX + 2_000 < LOCK_TIMEOUT_SECONDS * 1_000


def test_session_that_continues_restarts_its_time_limit(database, application_name):
    monitor = StalledSessions(database, [application_name])
    with stalled_session(database, application_name, "a COPY waits for rows") as worker:
        assert monitor.terminate(0) == 0
        worker.pgconn.put_copy_end()
        while worker.pgconn.get_result():
            pass
        worker.pgconn.exec_(b"COPY history (what) FROM STDIN")
        wait_until_stalled(database, application_name)

        assert monitor.terminate(STALLED_MS_MAX + 1_000) == 0
        assert monitor.terminate(2 * STALLED_MS_MAX + 1_000) == 1


def test_session_of_another_application_is_not_terminated(database, application_name):
    monitor = StalledSessions(database, ["another"])
    with stalled_session(database, application_name, "a COPY waits for rows"):
        assert [monitor.terminate(now) for now in (0, 1_000_000)] == [0, 0]


def test_session_idle_between_statements_is_not_terminated(database, application_name):
    monitor = StalledSessions(database, [application_name])
    with stalled_session(database, application_name, "nothing is under way"):
        assert [monitor.terminate(now) for now in (0, 1_000_000)] == [0, 0]


def test_session_that_continued_meanwhile_is_not_terminated(database, application_name):
    with stalled_session(database, application_name, "a COPY waits for rows"):
        (found,) = wait_until_stalled(database, application_name)
        with transaction(database) as tx:
            of_an_earlier_statement = StalledSession(found.pid, found.query_start.replace(year=2020))
            assert stalled_sessions.terminate(tx, [of_an_earlier_statement]) == 0
            assert stalled_sessions.terminate(tx, [found]) == 1


def test_unavailable_database_terminates_nothing():
    nowhere = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    assert StalledSessions(nowhere, ["frozen"]).terminate(0) == 0


def test_error_is_logged_and_not_raised(database, application_name, monkeypatch):
    monitor = StalledSessions(database, [application_name])
    with stalled_session(database, application_name, "a COPY waits for rows"):
        monitor.terminate(0)
        # A missing right to terminate sessions raises an error of the same kind.
        monkeypatch.setattr(stalled_sessions, "terminate", lambda tx, _: tx.execute(text("SELECT refused()")))
        with structlog.testing.capture_logs() as log_entries:
            assert monitor.terminate(1_000_000) == 0

    assert [entry["event"] for entry in log_entries] == ["stalled_session_check_failed"]
