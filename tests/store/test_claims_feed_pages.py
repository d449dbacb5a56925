"""Queries for pages of the Claims Feed read rows in the order of an index."""

from sqlalchemy import event

from payments.journeys.reporting import FeedCursor, FeedFilter
from payments.store.reports import claims_feed
from tests.builders.events import NOW


def query_plan(tx, after):
    """Return the plan of the query for one page, planned with sequential scans, bitmap scans and sorts disabled."""
    statements = []

    def remember(_connection, _cursor, statement, parameters, *_):
        statements.append((statement, parameters))

    event.listen(tx, "before_cursor_execute", remember)
    claims_feed.read_page(tx, FeedFilter(), after, 50)
    event.remove(tx, "before_cursor_execute", remember)
    for costly in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
        tx.exec_driver_sql(f"SET LOCAL {costly} = off")
    ((statement, parameters),) = statements
    return "\n".join(tx.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())


def test_page_reads_lines_and_dead_letters_in_index_order(tx):
    for after in (None, FeedCursor(NOW, claims_feed.LINE, 4711), FeedCursor(NOW, claims_feed.DEAD_LETTER, 4711)):
        found = query_plan(tx, after)

        assert "Index Scan Backward using lines_by_save" in found
        assert "Index Scan Backward using set_aside_newest" in found
