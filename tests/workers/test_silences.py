"""Who falls silent in the midst of a statement is cut off in time, and nobody else is."""

from contextlib import closing, contextmanager

import psycopg
import pytest
from sqlalchemy import create_engine, text

from payments.store.session import LOCK_TIMEOUT_SECONDS
from payments.store.silence import Silence, end, silences
from workers.silences import SILENT_SECONDS_MAX, Silences


@contextmanager
def silent(database, how):
    """Hold a lock in a process that is silent in the midst of a statement."""
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg.connect(url, application_name="frozen")) as frozen:
        frozen.execute("SELECT pg_advisory_xact_lock(77)")
        match how:
            case "a COPY waits for rows":
                frozen.pgconn.exec_(b"COPY history (what) FROM STDIN")
            case "a result waits to be taken":
                frozen.pgconn.send_query(b"SELECT repeat('x', 100000000)")
        yield frozen


def until_seen(database, applications):
    """Wait until someone is silent. A result takes a moment to fill what lies between server and process."""
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not (found := silences(connection, applications)):
            pass
    return found


@pytest.mark.parametrize("how", ["a COPY waits for rows", "a result waits to be taken"])
def test_who_is_silent_in_the_midst_of_a_statement_for_too_long_is_ended_and_its_locks_with_it(database, how):
    watch = Silences(database, ["another", "frozen"])
    with silent(database, how), database.connect() as other:
        until_seen(database, ["frozen"])
        assert watch.end(1_000.0) == 0
        assert watch.end(1_000.0 + SILENT_SECONDS_MAX - 0.1) == 0
        assert watch.end(1_000.0 + SILENT_SECONDS_MAX) == 1

        other.execute(text("SELECT pg_advisory_xact_lock(77)"))
    assert SILENT_SECONDS_MAX + 2 < LOCK_TIMEOUT_SECONDS


def test_who_goes_on_begins_anew(database):
    watch = Silences(database, ["frozen"])
    with silent(database, "a COPY waits for rows") as worker:
        assert watch.end(0.0) == 0
        worker.pgconn.put_copy_end()
        while worker.pgconn.get_result():
            pass
        worker.pgconn.exec_(b"COPY history (what) FROM STDIN")

        assert watch.end(SILENT_SECONDS_MAX + 1.0) == 0
        assert watch.end(2 * SILENT_SECONDS_MAX + 1.0) == 1


def test_who_has_another_name_is_left_alone(database):
    watch = Silences(database, ["another"])
    with silent(database, "a COPY waits for rows"):
        assert [watch.end(now) for now in (0.0, 1_000.0)] == [0, 0]


def test_who_says_nothing_between_two_statements_is_left_to_postgres(database):
    watch = Silences(database, ["frozen"])
    with silent(database, "nothing is under way"):
        assert [watch.end(now) for now in (0.0, 1_000.0)] == [0, 0]


def test_who_went_on_since_the_look_is_not_ended(database):
    with silent(database, "a COPY waits for rows"), database.connect() as other:
        (found,) = silences(other, ["frozen"])
        other.rollback()

        assert end(other, [Silence(found.pid, found.began.replace(year=2020))]) == 0


def test_where_nothing_answers_nobody_is_ended():
    nowhere = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    assert Silences(nowhere, ["frozen"]).end(0.0) == 0
