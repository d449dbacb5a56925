"""Companies get equal shares of a batch of due lines or dead letters. An index finds these rows."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from payments.core.due_selection import DueSelection
from payments.store.db.connection import Database, Transaction, connect, transaction
from payments.store.feed import dead_letters
from payments.store.ledger import lines
from tests.builders import bulk
from tests.engines import scratch_database

pytestmark = pytest.mark.slow

NOW = datetime(2026, 6, 10, tzinfo=UTC)
REQUEUED_COUNT = 20_000
BATCH_LIMIT = 100
_INSERT_DUE_ROWS = """
INSERT INTO {table} ({columns}, company_id, due_at)
SELECT {columns}, CAST(:company AS text), CAST(:due_at AS timestamptz) FROM {table}
WHERE company_id = 'company' ORDER BY id LIMIT :count
"""
_COLUMNS_QUERY = """
SELECT string_agg(column_name::text, ', ' ORDER BY ordinal_position) FROM information_schema.columns
WHERE table_name = :table AND column_name NOT IN ('id', 'company_id', 'due_at')
"""
_REQUEUE_STATEMENT = "UPDATE {table} SET due_at = TIMESTAMPTZ '2020-01-01 00:00+00' + id * interval '1 second'"


@pytest.fixture(scope="module")
def busy_database(postgres_url: str, ledger_template: str) -> Iterator[Database]:
    """A ledger without statistics. One company has requeued many old payments and as many dead letters."""
    with scratch_database(postgres_url, ledger_template) as url:
        opened = connect(url, application_name="tests")
        bulk.fill_ledger(opened, REQUEUED_COUNT)
        with transaction(opened) as tx:
            for table in ("lines", "set_aside"):
                tx.execute(text(_REQUEUE_STATEMENT.format(table=table)))
        yield opened
        opened.dispose()


@pytest.fixture
def tx(busy_database: Database) -> Iterator[Transaction]:
    with busy_database.connect() as opened:
        yield opened
        opened.rollback()


def add_due(tx: Transaction, table: str, company: str | None, count: int, due_at: str = "2026-06-09") -> None:
    """Add `count` due rows of a company to a table."""
    columns = tx.execute(text(_COLUMNS_QUERY), {"table": table}).scalar_one()
    values = {"company": company, "due_at": due_at, "count": count}
    tx.execute(text(_INSERT_DUE_ROWS.format(table=table, columns=columns)), values)


def due_lines(tx: Transaction, limit: int = BATCH_LIMIT) -> Counter[str | None]:
    return Counter(line.company_id for line in lines.lock_due(tx, NOW, DueSelection(limit)).values())


def due_dead_letters(tx: Transaction, limit: int = BATCH_LIMIT) -> Counter[str | None]:
    return Counter(letter.company_id for letter in dead_letters.select_due(tx, NOW, DueSelection(limit)))


TABLES_AND_SELECTS = [("lines", due_lines), ("set_aside", due_dead_letters)]


@pytest.mark.parametrize(("table", "select"), TABLES_AND_SELECTS)
def test_first_batch_has_the_due_rows_of_the_other_company(
    tx: Transaction, table: str, select: Callable[..., Counter[str | None]]
) -> None:
    add_due(tx, table, "other", 3)
    add_due(tx, table, "waits", 1, due_at="2026-06-11")

    assert select(tx) == {"other": 3, "company": BATCH_LIMIT // 2}


@pytest.mark.parametrize(("table", "select"), TABLES_AND_SELECTS)
def test_each_company_gets_the_same_share(
    tx: Transaction, table: str, select: Callable[..., Counter[str | None]]
) -> None:
    for company in ("b", "d"):
        add_due(tx, table, company, BATCH_LIMIT)

    found = select(tx)

    assert found.total() == BATCH_LIMIT
    assert found.keys() == {"b", "company", "d"}
    assert max(found.values()) - min(found.values()) <= 2  # the share is rounded up


@pytest.mark.parametrize(("table", "select"), TABLES_AND_SELECTS)
def test_companies_that_wait_longest_are_selected_if_there_are_more_companies_than_rows(
    tx: Transaction, table: str, select: Callable[..., Counter[str | None]]
) -> None:
    for number in range(4):
        add_due(tx, table, f"c-{number}", 2, due_at=f"2019-01-0{4 - number}")

    assert select(tx, limit=3) == {"c-3": 1, "c-2": 1, "c-1": 1}


def test_dead_letters_without_a_company_get_one_share(tx: Transaction) -> None:
    add_due(tx, "set_aside", None, 3)

    assert due_dead_letters(tx) == {None: 3, "company": BATCH_LIMIT // 2}


def test_rows_of_a_company_are_selected_from_the_earliest(tx: Transaction) -> None:
    first = tx.execute(text("SELECT id FROM lines ORDER BY due_at LIMIT :limit"), {"limit": BATCH_LIMIT}).scalars()

    assert {line.id for line in lines.lock_due(tx, NOW, DueSelection(BATCH_LIMIT)).values()} == {*first}


def plan_of(tx: Transaction, query: str) -> list[dict[str, Any]]:
    """Run a query, and return the nodes of its plan."""
    found = tx.execute(text(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}"), {"now": NOW, "limit": BATCH_LIMIT}).scalar_one()
    nodes = [found[0]["Plan"]]
    for node in nodes:
        nodes.extend(node.get("Plans", ()))
    return nodes


@pytest.mark.parametrize(("table", "query"), [("lines", lines._DUE_QUERY), ("set_aside", dead_letters._DUE_QUERY)])
def test_only_the_selected_rows_are_read(tx: Transaction, table: str, query: str) -> None:
    add_due(tx, table, "other", 3)

    scans = [node for node in plan_of(tx, query) if node.get("Relation Name") == table]

    assert "Seq Scan" not in {node["Node Type"] for node in scans}
    # One row of each company to find it, and those of its share.
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in scans) <= BATCH_LIMIT + 10
