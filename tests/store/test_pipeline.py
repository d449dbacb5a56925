"""Statements that are sent together, and statements that wait for the COMMIT."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from psycopg.errors import DivisionByZero
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateTable

from payments.store.db.bulk import append, append_few
from payments.store.db.connection import (
    ConcurrentWriteError,
    Database,
    Transaction,
    connect,
    is_transient,
    savepoint,
    transaction,
)
from payments.store.db.pipeline import Query, defer, fetch, fetch_together
from payments.store.tables import companies

ADD = "INSERT INTO companies (company_id) VALUES (:id)"
COUNT: Query[int] = Query(
    "SELECT count(*) AS found FROM companies WHERE company_id LIKE 'pipeline-%'", {}, lambda rows: rows[0].found
)
ONE: Query[int] = Query("SELECT CAST(:value AS integer) AS found", {"value": 1}, lambda rows: rows[0].found)
NOTHING: Query[list[object]] = Query("", {}, list)
DIVISION: Query[list[object]] = Query("SELECT 1 / CAST(:by AS integer)", {"by": 0}, list)
SESSION: Query[int] = Query("SELECT pg_backend_pid() AS found", {}, lambda rows: rows[0].found)
SLEEP_SECONDS = 10
SLEEP: Query[list[object]] = Query("SELECT pg_sleep(:seconds)", {"seconds": SLEEP_SECONDS}, list)
TAKEN = ConcurrentWriteError("taken")


@pytest.fixture
def engine(database: Database) -> Iterator[Database]:
    """An engine. Companies with ids `pipeline-...` are deleted after the test."""
    opened = connect(database.url.render_as_string(hide_password=False), application_name="tests", pool_size=1)
    yield opened
    with transaction(opened) as tx:
        tx.execute(text("DELETE FROM companies WHERE company_id LIKE 'pipeline-%'"))
    opened.dispose()


def defer_all(engine: Database, *ids: str, conflict: Exception | None = None, then: Exception | None = None) -> None:
    """Defer an INSERT for each id in one transaction. Then raise the error `then`, if it is given."""
    with transaction(engine) as tx:
        for each in ids:
            defer(tx, ADD, {"id": each}, conflict)
        if then:
            raise then


def stored(engine: Database) -> int:
    with transaction(engine) as tx:
        return fetch(tx, COUNT)


def test_queries_are_answered_in_order(engine: Database) -> None:
    with transaction(engine) as tx:
        assert fetch_together(tx, ONE, NOTHING, COUNT) == (1, [], 0)
        assert fetch(tx, NOTHING) == []


def test_deferred_statements_are_committed(engine: Database) -> None:
    defer_all(engine, "pipeline-1", "pipeline-2")

    assert stored(engine) == 2


def test_later_statements_see_the_rows_of_deferred_ones(engine: Database) -> None:
    with transaction(engine) as tx:
        defer(tx, ADD, {"id": "pipeline-1"})
        assert fetch(tx, COUNT) == 1
        defer(tx, ADD, {"id": "pipeline-2"})
        assert tx.execute(text(COUNT.statement)).scalar_one() == 2
        defer(tx, ADD, {"id": "pipeline-3"})
        append(tx, companies, ["company_id"], [("pipeline-4",)])
        assert fetch(tx, COUNT) == 4


def test_deferred_statements_are_dropped_if_the_transaction_fails(engine: Database) -> None:
    with pytest.raises(KeyError):
        defer_all(engine, "pipeline-1", then=KeyError())

    with transaction(engine) as tx:
        assert fetch(tx, COUNT) == 0
    assert stored(engine) == 0


def test_deferred_statements_are_dropped_by_a_rollback(engine: Database) -> None:
    with transaction(engine) as tx:
        defer(tx, ADD, {"id": "pipeline-1"})
        tx.rollback()

    assert stored(engine) == 0


def test_deferred_statements_are_dropped_by_the_rollback_of_their_savepoint(engine: Database) -> None:
    def fail_after_savepoint(tx: Transaction) -> None:
        with savepoint(tx):
            defer(tx, ADD, {"id": "pipeline-2"})
            raise KeyError

    with transaction(engine) as tx:
        defer(tx, ADD, {"id": "pipeline-1"})
        with pytest.raises(KeyError):
            fail_after_savepoint(tx)
        with savepoint(tx):
            defer(tx, ADD, {"id": "pipeline-3"})

    assert stored(engine) == 2


@pytest.mark.parametrize(("conflict", "raised"), [(TAKEN, ConcurrentWriteError), (None, DBAPIError)])
def test_failed_deferred_statement_rolls_the_transaction_back(
    engine: Database, conflict: Exception | None, raised: type[Exception]
) -> None:
    with pytest.raises(raised):
        defer_all(engine, "pipeline-1", "pipeline-1", "pipeline-2", conflict=conflict)

    assert stored(engine) == 0


def test_error_of_a_query_is_raised_and_not_that_of_skipped_ones(engine: Database) -> None:
    with pytest.raises(DBAPIError) as error, transaction(engine) as tx:
        fetch_together(tx, ONE, DIVISION, COUNT)

    assert isinstance(error.value.orig, DivisionByZero)
    assert error.value.statement == DIVISION.statement
    assert stored(engine) == 0


def test_outside_a_transaction_block_statements_are_not_deferred(engine: Database) -> None:
    with engine.connect() as tx:
        defer(tx, ADD, {"id": "pipeline-1"})
        assert tx.execute(text(COUNT.statement)).scalar_one() == 1
        tx.rollback()
    assert stored(engine) == 0


def test_session_that_ends_in_a_transaction_is_replaced(engine: Database, database: Database) -> None:
    def defer_in_ended_session() -> None:
        with transaction(engine) as tx, database.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": fetch(tx, SESSION)})
            defer(tx, ADD, {"id": "pipeline-1"})

    with pytest.raises(DBAPIError) as error:
        defer_in_ended_session()

    assert is_transient(error.value)
    assert stored(engine) == 0


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block after this time, as a task's soft time limit does."""

    def end(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_time_limit_ends_the_wait_for_a_query_and_replaces_the_session(engine: Database) -> None:
    sessions: list[int] = []

    def sleep() -> None:
        with transaction(engine) as tx:
            sessions.append(fetch(tx, SESSION))
            fetch_together(tx, ONE, SLEEP)

    started = time.monotonic()
    with pytest.raises(TimeoutError), time_limit(0.2):
        sleep()

    assert time.monotonic() - started < SLEEP_SECONDS / 2
    with transaction(engine) as tx:
        assert fetch(tx, SESSION) not in sessions


AT = datetime(2026, 6, 5, 17, 4, 5, 678, tzinfo=UTC)
ODD = "quoted \"'\\ \\x41 {1,2} \t\n é 🦷 NULL"
KINDS = Table(
    "pipeline_kinds",
    MetaData(),
    Column("words", Text),
    Column("number", BigInteger),
    Column("flag", Boolean),
    Column("amount", Numeric(12, 2)),
    Column("day", Date),
    Column("at", DateTime(timezone=True)),
    Column("hash", LargeBinary),
    Column("event", Uuid),
    prefixes=["TEMPORARY"],
)
ROWS: list[tuple[object, ...]] = [
    (ODD, 2**62, True, Decimal("-0.10"), date(2026, 6, 5), AT, bytes(range(256)), UUID(int=7)),
    ("", -1, False, Decimal("9999999999.99"), date(1, 1, 1), AT.replace(microsecond=0), b"", UUID(int=2**128 - 1)),
    (None,) * 8,
]


def test_few_rows_are_stored_like_copied_rows(tx: Transaction) -> None:
    columns = [column.name for column in KINDS.c]
    tx.execute(CreateTable(KINDS))
    for store in (append, append_few):
        store(tx, KINDS, columns, ROWS)
        stored_rows = tx.execute(text(f"SELECT {', '.join(columns)} FROM pipeline_kinds")).all()
        assert list(map(tuple, stored_rows)) == ROWS
        tx.execute(text("DELETE FROM pipeline_kinds"))
