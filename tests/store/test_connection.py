"""Transactions, time limits of sessions, and the classification of transient errors."""

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from config.database_urls import libpq_url
from payments.core.history import HistoryCode
from payments.store.db.connection import (
    IDLE_IN_TRANSACTION_SECONDS_MAX,
    LOCK_TIMEOUT_SECONDS,
    ConcurrentWriteError,
    connect,
    is_reachable,
    is_transient,
    transaction,
)
from payments.store.ledger import history
from payments.store.ledger.history import HistoryEvent
from tests.builders.events import NOW


def execute_failing_statement(connection, statement):
    with pytest.raises(DBAPIError) as error, connection.begin_nested():
        connection.execute(text(statement))
    return error.value


@pytest.mark.parametrize(
    ("state", "transient"),
    [
        ("deadlock_detected", True),
        ("serialization_failure", True),
        ("lock_not_available", True),
        ("disk_full", True),
        ("too_many_connections", True),
        ("admin_shutdown", True),
        ("connection_failure", True),
        ("read_only_sql_transaction", True),
        ("io_error", True),
        ("idle_in_transaction_session_timeout", True),
        ("unique_violation", False),
        ("check_violation", False),
        ("restrict_violation", False),
        ("numeric_value_out_of_range", False),
        ("undefined_table", False),
        ("raise_exception", False),
    ],
)
def test_error_is_transient_depending_on_its_sqlstate(tx, state, transient):
    error = execute_failing_statement(tx, f"DO $$ BEGIN RAISE EXCEPTION 'made' USING ERRCODE = '{state}'; END $$")

    assert is_transient(error) is transient


def test_concurrent_write_is_transient_and_a_programming_error_is_not():
    assert is_transient(ConcurrentWriteError("x"))
    assert not is_transient(ValueError("x"))
    assert not is_transient(MemoryError())


@pytest.mark.slow
def test_idle_transaction_is_ended_and_releases_its_locks(database):
    url = database.url.render_as_string(hide_password=False)
    frozen = connect(url, application_name="frozen", idle_in_transaction_seconds=1)
    with frozen.connect() as connection, database.connect() as other:
        connection.execute(text("SELECT pg_advisory_xact_lock(77)"))

        other.execute(text("SELECT pg_advisory_xact_lock(77)"))  # waits until the frozen transaction is ended

        with pytest.raises(DBAPIError) as error:
            connection.execute(text("SELECT 1"))
    frozen.dispose()

    assert getattr(error.value.orig, "sqlstate", None) == "25P03"
    assert is_transient(error.value)
    assert IDLE_IN_TRANSACTION_SECONDS_MAX < LOCK_TIMEOUT_SECONDS


def test_terminated_connection_is_transient(database):
    with database.connect() as doomed, database.connect() as other:
        pid = doomed.execute(text("SELECT pg_backend_pid()")).scalar_one()
        other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        with pytest.raises(DBAPIError) as error:
            doomed.execute(text("SELECT 1"))

    assert is_transient(error.value)
    assert is_reachable(database)


def test_session_that_ended_between_two_transactions_is_replaced(database):
    engine = connect(database.url.render_as_string(hide_password=False), application_name="tests", pool_size=1)

    def session():
        with transaction(engine) as tx:
            return tx.execute(text("SELECT pg_backend_pid()")).scalar_one()

    ended = session()
    assert session() == ended
    with database.connect() as other:
        assert other.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": ended}).scalar_one()
    assert session() != ended
    engine.dispose()


def test_transaction_can_be_repeated_after_a_migration_changed_its_prepared_statement(postgres_url):
    engine = connect(postgres_url, application_name="older", pool_size=1)

    def column_count():
        with transaction(engine) as tx:
            return len(tx.execute(text("SELECT * FROM session_migrated")).keys())

    with psycopg.connect(libpq_url(postgres_url), autocommit=True) as migration:
        migration.execute("CREATE TABLE session_migrated (a int)")
        assert {column_count() for _ in range(10)} == {1}  # now the driver has prepared the statement
        migration.execute("ALTER TABLE session_migrated ADD COLUMN b int")

        with pytest.raises(ConcurrentWriteError, match="a migration has changed the tables"):
            column_count()
        assert column_count() == 2
        migration.execute("DROP TABLE session_migrated")
    engine.dispose()


def test_missing_server_is_unreachable_and_transient():
    engine = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none?connect_timeout=2")
    with pytest.raises(DBAPIError) as error, engine.connect():
        pass

    assert is_transient(error.value)
    assert not is_reachable(engine)


def test_transaction_commits_at_its_end_and_rolls_back_on_an_error(database):
    def execute(statement, *, fails):
        with transaction(database) as tx:
            tx.execute(text(statement))
            if fails:
                raise KeyError

    with transaction(database) as tx:
        before = tx.execute(text("SELECT count(*) FROM companies")).scalar_one()
    with pytest.raises(KeyError):
        execute("INSERT INTO companies VALUES ('session-rolled-back')", fails=True)
    execute("INSERT INTO companies VALUES ('session-kept')", fails=False)
    with transaction(database) as tx:
        after = tx.execute(text("DELETE FROM companies WHERE company_id LIKE 'session-%' RETURNING 1")).all()

    assert (len(after), before) == (1, before)


def test_sessions_use_utc_and_the_lock_timeout(postgres_url):
    engine = connect(postgres_url, application_name="tests of the connection")
    try:
        with engine.connect() as connection:
            settings = [
                connection.execute(text(f"SHOW {name}")).scalar_one()
                for name in ("timezone", "lock_timeout", "application_name")
            ]
    finally:
        engine.dispose()

    assert settings == ["UTC", "15s", "tests of the connection (company keys)"]


def test_options_of_the_url_apply_beside_those_of_the_sessions(postgres_url):
    separator = "&" if "?" in postgres_url else "?"
    url = f"{postgres_url}{separator}options=-cstatement_timeout%3D7s%20-clock_timeout%3D1s&tcp_user_timeout=9000"
    engine = connect(url, application_name="options")
    try:
        with engine.connect() as connection:
            shown = [connection.scalar(text(f"SHOW {name}")) for name in ("statement_timeout", "lock_timeout")]
            given = connection.connection.driver_connection.info.get_parameters()["tcp_user_timeout"]
    finally:
        engine.dispose()

    assert shown == ["7s", f"{LOCK_TIMEOUT_SECONDS}s"]
    assert given == "9000"


def test_server_detects_a_lost_client_within_20_seconds(postgres_url):
    engine = connect(postgres_url, application_name="tests of the connection")
    query = "SELECT name, reset_val FROM pg_settings WHERE name LIKE 'tcp\\_%' AND source = 'client'"
    with engine.connect() as connection:  # the values in force are 0 on a Unix socket, so `reset_val` is read
        limits = {name: int(value) for name, value in connection.execute(text(query))}
    engine.dispose()

    seconds_of_probes = limits["tcp_keepalives_interval"] * limits["tcp_keepalives_count"]
    assert limits["tcp_keepalives_idle"] + seconds_of_probes < 20
    assert limits["tcp_user_timeout"] < 20_000


def test_transaction_commits_if_it_only_copies_rows(database):
    with transaction(database) as tx:
        history.add(tx, [HistoryEvent(NOW, HistoryCode.FAILED, "tests", None, entry_id="session-1", error="made")])

    with transaction(database) as tx:
        assert history.last_errors(tx, ["session-1"]) == {"session-1": "made"}
        tx.execute(text("DELETE FROM history WHERE entry_id = 'session-1'"))


def test_connections_to_a_server_that_became_read_only_are_replaced(postgres_url: str) -> None:
    engine = connect(postgres_url, application_name="tests", pool_size=1)
    with transaction(engine) as tx:
        tx.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
    with pytest.raises(DBAPIError, match="read-only"), transaction(engine) as tx:
        tx.execute(text("CREATE TABLE probe ()"))

    with transaction(engine) as tx:
        assert tx.execute(text("SHOW transaction_read_only")).scalar_one() == "off"
    engine.dispose()
