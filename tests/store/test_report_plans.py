"""Reports finish in time on a bulk-loaded ledger that was never analyzed. Their plans need no statistics."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, text

from payments.contract.keys import LineKey
from payments.core.month import Month
from payments.core.scope import EVERYTHING, Scope
from payments.core.sorting import Window
from payments.journeys import balancing, closing, dashboard, distributing, front_desk, reporting
from payments.journeys.balancing import BalanceFilter
from payments.journeys.reporting import ExceptionFilter, FeedFilter, PaymentLogFilter
from payments.store.db.connection import Database, Transaction, connect, snapshot_transaction, transaction
from payments.store.db.isolation import Access, connect_isolated, with_access
from payments.store.reports import timeline
from tests.builders.bulk import CLINIC, COMPANY, PATIENT, fill_ledger
from tests.engines import scratch_database

pytestmark = pytest.mark.slow

PAYMENT_COUNT = 20_000
NOW = datetime(2026, 6, 2, 12, tzinfo=ZoneInfo("America/Denver"))
TODAY = NOW.date()
SMALL_TABLES = ("patients", "import_tasks", "entry_links")
# A plan that reads all rows once for each row takes minutes; the right ones take less than a second.
TIME_LIMIT = "20s"
LARGE_TABLES = "lines|entries|charges|allocations|findings|set_aside|history"
LARGE_TABLE_SCAN_PATTERN = re.compile(rf"(\w+ )*Scan( Backward)?( using \w+)? on ({LARGE_TABLES})\w*")


@pytest.fixture(scope="module")
def database(postgres_url: str, ledger_template: str) -> Iterator[Database]:
    with scratch_database(postgres_url, ledger_template) as url:
        opened = connect(url, application_name="tests")
        fill_ledger(opened, PAYMENT_COUNT)
        yield opened
        opened.dispose()


@pytest.fixture(scope="module")
def isolated_database(database: Database) -> Iterator[Database]:
    """The database as the console opens it for a user of the company."""
    opened = connect_isolated(database.url.render_as_string(hide_password=False), application_name="tests", pool_size=1)
    yield with_access(opened, Access(frozenset({COMPANY})))
    opened.dispose()


def count_rows(rows: Any) -> int:
    return sum(1 for _ in rows)


def count_allocations(tx: Transaction) -> int:
    (account,) = distributing.show_account(tx, PATIENT, Scope.of_clinics(CLINIC))
    return count_rows(distributing.show_allocations(tx, account))


REPORT_AND_ROW_COUNT: dict[str, tuple[Callable[[Transaction], int], int]] = {
    "log": (lambda tx: count_rows(reporting.payment_log(tx, PaymentLogFilter())), PAYMENT_COUNT),
    "log of a patient": (lambda tx: count_rows(reporting.payment_log(tx, PaymentLogFilter(PATIENT))), PAYMENT_COUNT),
    "log of a clinic": (
        lambda tx: count_rows(reporting.payment_log(tx, PaymentLogFilter(scope=Scope.of_clinics(CLINIC)))),
        PAYMENT_COUNT,
    ),
    "log, expanded": (
        lambda tx: sum(len(each) for _, each in reporting.expanded_payment_log(tx, PaymentLogFilter())),
        PAYMENT_COUNT,
    ),
    "log, a page": (lambda tx: len(reporting.payment_log_page(tx, PaymentLogFilter(PATIENT), Window(50)).rows), 50),
    "feed": (lambda tx: count_rows(reporting.claims_feed(tx, FeedFilter())), PAYMENT_COUNT),
    "feed of a patient": (lambda tx: count_rows(reporting.claims_feed(tx, FeedFilter(patient=PATIENT))), PAYMENT_COUNT),
    "feed of a clinic": (
        lambda tx: count_rows(reporting.claims_feed(tx, FeedFilter(scope=Scope.of_clinics(CLINIC)))),
        PAYMENT_COUNT,
    ),
    "feed, a page": (lambda tx: len(reporting.claims_feed_page(tx, FeedFilter(), Window(50)).rows), 50),
    "feed of days": (
        lambda tx: count_rows(reporting.claims_feed(tx, FeedFilter(since=date(2026, 5, 31), until=date(2026, 6, 2)))),
        PAYMENT_COUNT,
    ),
    "feed, summed": (
        lambda tx: sum(each.count for each in reporting.claims_feed_sums(tx, FeedFilter())),
        PAYMENT_COUNT,
    ),
    "exceptions": (lambda tx: count_rows(reporting.exceptions(tx, ExceptionFilter())), PAYMENT_COUNT),
    "exceptions of a patient": (
        lambda tx: count_rows(reporting.exceptions(tx, ExceptionFilter(patient=PATIENT))),
        PAYMENT_COUNT,
    ),
    "exceptions, a page": (lambda tx: len(reporting.exceptions_page(tx, ExceptionFilter(), Window(50)).rows), 50),
    "account and its allocations": (count_allocations, PAYMENT_COUNT),
    "months": (lambda tx: len(closing.list_months(tx, COMPANY)), 1),
    "close warnings": (lambda tx: len(closing.close_warnings(tx, COMPANY, Month(2026, 6))), PAYMENT_COUNT * 5 // 4),
    "overview": (lambda tx: dashboard.overview(tx, TODAY, EVERYTHING, NOW).unposted[0].count, PAYMENT_COUNT // 4),
    "balance": (lambda tx: balancing.balance(tx, BalanceFilter()).equal, PAYMENT_COUNT * 3 // 4),
    "balance of a year": (
        lambda tx: balancing.balance(tx, BalanceFilter(date(2026, 1, 1), date(2026, 12, 31))).equal,
        PAYMENT_COUNT * 3 // 4,
    ),
    "last days": (
        lambda tx: count_rows(
            read(tx, Scope.of_clinics(CLINIC), date(2100, 1, 1))
            for read in (
                dashboard.last_saved_day,
                front_desk.last_transaction_day,
                front_desk.last_deposit_day,
            )
        ),
        3,
    ),
    "balance, by payment": (lambda tx: count_rows(balancing.differing_lines(tx, BalanceFilter())), PAYMENT_COUNT // 4),
}


@pytest.mark.parametrize("is_isolated", [False, True])
@pytest.mark.parametrize("name", REPORT_AND_ROW_COUNT)
def test_report_is_read_in_time_without_statistics(
    database: Database, isolated_database: Database, name: str, *, is_isolated: bool
) -> None:
    read, rows = REPORT_AND_ROW_COUNT[name]
    with snapshot_transaction(isolated_database if is_isolated else database) as tx:
        tx.execute(text(f"SET LOCAL statement_timeout = '{TIME_LIMIT}'"))

        assert read(tx) == rows


@contextmanager
def collected_plans(tx: Transaction) -> Iterator[list[str]]:
    """Yield a list, and add to it the plan lines of each query that the transaction runs in the block."""
    plans: list[str] = []

    def explain(_connection: Any, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")) and "set_config" not in statement:
            # A cursor of PostgreSQL is planned for its first rows.
            declared = "DECLARE explained CURSOR FOR" if getattr(cursor, "name", None) else ""
            found = cursor.connection.execute(f"EXPLAIN {declared} {statement}", parameters)
            plans.extend(line for (line,) in found)

    event.listen(tx, "before_cursor_execute", explain)
    yield plans


def scans_of_large_tables(database: Database, read: Callable[[Transaction], int]) -> list[str]:
    with database.connect() as tx, collected_plans(tx) as plans:
        read(tx)
        tx.rollback()
    # A policy needs the company, which an index may lack.
    found = (LARGE_TABLE_SCAN_PATTERN.search(line) for line in plans)
    return sorted(scan[0].replace("Index Only", "Index") for scan in found if scan)


@pytest.mark.parametrize("name", REPORT_AND_ROW_COUNT)
def test_policies_change_no_plan(database: Database, isolated_database: Database, name: str) -> None:
    read, _ = REPORT_AND_ROW_COUNT[name]

    assert scans_of_large_tables(isolated_database, read) == scans_of_large_tables(database, read) != []


@pytest.mark.parametrize("name", ["log, a page", "feed, a page", "exceptions, a page"])
def test_plan_of_a_page_is_kept(isolated_database: Database, name: str) -> None:
    read, rows = REPORT_AND_ROW_COUNT[name]
    kept = f"SELECT generic_plans FROM pg_prepared_statements WHERE statement LIKE '%LIMIT {rows + 1}'"
    with isolated_database.connect() as tx:
        for _ in range(12):
            read(tx)
        (generic_plans,) = tx.execute(text(kept)).scalars()
        tx.rollback()

    assert generic_plans > 0


def test_balance_by_payment_begins_before_the_ledger_is_read(database: Database) -> None:
    read_rows = (
        "SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables "
        "WHERE relname IN ('lines', 'entries')"  # the printed key reads the clinics of all dead letters
    )
    with snapshot_transaction(database) as tx:
        before = tx.execute(text(read_rows)).scalar_one()

        first = next(balancing.differing_lines(tx, BalanceFilter()))

        assert first.payment == "clinic/p-100/1"
        assert tx.execute(text(read_rows)).scalar_one() - before < PAYMENT_COUNT / 3


@pytest.mark.parametrize("is_analyzed", [False, True])  # in this order: the statistics stay
@pytest.mark.parametrize("is_isolated", [False, True])
def test_timeline_reads_history_by_index(
    database: Database, isolated_database: Database, *, is_analyzed: bool, is_isolated: bool
) -> None:
    if is_analyzed:
        with transaction(database) as tx:
            tx.execute(text("ANALYZE"))
    with (isolated_database if is_isolated else database).connect() as tx:
        key = LineKey(*tx.execute(text(f"SELECT {', '.join(LineKey._fields)} FROM set_aside LIMIT 1")).one())
        with collected_plans(tx) as plans:
            rows = timeline.read(tx, (key,), (-1,))
        tx.rollback()

    assert [row.code for row in rows] == ["imported", "rejected"]
    assert any("history" in line and "Index" in line for line in plans)
    # A table of at most one page is read without its index.
    assert not [
        line for line in plans if "Seq Scan" in line and not line.partition("Seq Scan on ")[2].startswith(SMALL_TABLES)
    ]
