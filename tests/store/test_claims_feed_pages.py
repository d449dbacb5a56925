"""The query for a page of the Claims Feed reads its rows in the order of an index."""

from itertools import product

from sqlalchemy import event

from payments.core.sorting import Window
from payments.journeys.reporting import FeedFilter
from payments.store.reports import claims_feed
from tests.builders.events import NOW


def query_plan(tx, window):
    """Return the plan of the query for one page. The planner may not use sequential scans, bitmap scans or sorts."""
    statements = []

    def remember(_connection, _cursor, statement, parameters, *_):
        statements.append((statement, parameters))

    event.listen(tx, "before_cursor_execute", remember)
    claims_feed.read_page(tx, FeedFilter(), window)
    event.remove(tx, "before_cursor_execute", remember)
    for costly in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
        tx.exec_driver_sql(f"SET LOCAL {costly} = off")
    ((statement, parameters),) = statements
    return "\n".join(tx.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())


def test_page_reads_lines_and_dead_letters_in_index_order(tx):
    positions = (None, (NOW, claims_feed.LINE_SOURCE, 4711), (NOW, claims_feed.DEAD_LETTER_SOURCE, 4711))
    for position, is_backward in product(positions, (False, True)):
        found = query_plan(tx, Window(50, position, is_backward))

        scan = "Index Scan using" if is_backward else "Index Scan Backward using"
        assert f"{scan} lines_by_save" in found
        assert f"{scan} set_aside_newest" in found
