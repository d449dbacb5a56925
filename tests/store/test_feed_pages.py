"""A page of the Claims Feed is found by an index, whatever came before it."""

from sqlalchemy import event

from payments.journeys.reporting import FeedCursor, FeedFilter
from payments.store.reports import claims_feed
from tests.make import NOW


def plan(tx, after):
    """Return how PostgreSQL would look for a page where it neither reads a whole table nor sorts."""
    asked = []

    def remember(_connection, _cursor, statement, parameters, *_):
        asked.append((statement, parameters))

    event.listen(tx, "before_cursor_execute", remember)
    claims_feed.read_page(tx, FeedFilter(), after, 50)
    event.remove(tx, "before_cursor_execute", remember)
    for costly in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
        tx.exec_driver_sql(f"SET LOCAL {costly} = off")
    ((statement, parameters),) = asked
    return "\n".join(tx.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())


def test_feed_page_reads_lines_and_dead_letters_by_index(tx):
    for after in (None, FeedCursor(NOW, claims_feed.LINE, 4711), FeedCursor(NOW, claims_feed.DEAD_LETTER, 4711)):
        found = plan(tx, after)

        assert "Index Scan Backward using lines_by_save" in found
        assert "Index Scan Backward using set_aside_newest" in found
