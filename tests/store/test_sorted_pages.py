"""All pages of a list, read forward or backward, together contain the list in the order of a plain ORDER BY."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from console.reports.audit import AUDIT
from console.reports.claims_feed import CLAIMS_FEED
from console.reports.definition import Report, SortCost
from console.reports.exceptions import EXCEPTIONS
from console.reports.payment_log import PAYMENT_LOG
from payments.access import audit
from payments.access.audit import AuditFilter
from payments.core.scope import EVERYTHING, Scope
from payments.core.sorting import Sort, Window
from payments.journeys.reporting import ExceptionFilter, FeedFilter, PaymentLogFilter
from payments.store.db.connection import Transaction
from payments.store.db.keyset import Page, PositionedRow, read_window
from payments.store.reports import claims_feed, exceptions, payment_log
from tests.examples import example_count

COMPANIES, CLINICS = ("alpha", "beta"), ("north", "south")
_INSERT_STATEMENTS = (
    "INSERT INTO companies (company_id) VALUES ('alpha'), ('beta')",
    "INSERT INTO patients (company_id, patient_id, name) VALUES ('alpha', 'ada', 'Zoe'), ('alpha', 'bea', 'Ann')",
    (
        "INSERT INTO clinics (company_id, clinic_id) VALUES ('alpha', 'north'), ('alpha', 'south'), ('beta', 'north'), "
        "('beta', 'south')"
    ),
    """
    INSERT INTO lines (clinic_id, payment_id, line_id, company_id, patient_id, version, deleted, saved_at, saved_on,
        content_hash, charge_type, amount_paid, method, transaction_date, status, reason, application, target, detail,
        attempts, waits)
    SELECT clinic, 'p-' || number, '1', company, patient, 1, amount IS NULL, at, at::date, '', kind, amount, 'Cash',
        day, 'Not Sent', reason, 'none', 0, '', tries, 0
    FROM rows WHERE NOT is_dead
    """,
    """
    INSERT INTO set_aside (body, body_hash, entry_id, status, reason, error, received_at, attempts, company_id,
        clinic_id, payment_id, line_id, patient_id, version, saved_at, saved_on, charge_type, amount_paid)
    SELECT '', decode(md5(number::text), 'hex'), '0-0', 'Validation Failed', 'invalid_event', '', at, tries,
        company, clinic, 'p-' || number, '1', CASE WHEN tries > 1 THEN patient END, 1,
        CASE WHEN tries > 2 THEN at END, CASE WHEN tries > 2 THEN at::date END, kind, amount
    FROM rows WHERE is_dead
    """,
    """
    INSERT INTO entries (company_id, line_ref, version, part, kind, amount, clinic_id, patient_id, charge_type, method,
        reference, deposit_date, posting_date, posted_at, entered_by)
    SELECT company_id, id, 1, 1, 'import', coalesce(amount_paid, 0), clinic_id, patient_id,
        coalesce(charge_type, 'Other'), CASE WHEN attempts > 2 THEN 'Cash' ELSE 'Check' END, reason,
        coalesce(transaction_date, saved_on), saved_on, saved_at, 'user:' || attempts
    FROM lines
    """,
    """
    INSERT INTO findings (company_id, line_ref, version, reason_code, amount_before, amount_now, proposal, note, status,
        opened_at, ended_at)
    SELECT company_id, id, 1, 'zero_due', attempts, coalesce(amount_paid, 0), '[]', '', 'open', saved_at,
        CASE WHEN attempts > 2 THEN saved_at END
    FROM lines
    """,
    """
    INSERT INTO audit (at, who, action, subject, detail, address, company_id)
    SELECT at, 'user:' || tries, patient, clinic, '', '', company FROM rows
    """,
)
_ROWS_TABLE = """
CREATE TEMPORARY TABLE rows ON COMMIT DROP AS
SELECT number, company, clinic, patient, NULLIF(kind, '') AS kind, amount::numeric / 100 AS amount,
    TIMESTAMPTZ '2026-06-05 12:00+00' + hours * interval '6 hours' AS at,
    CASE WHEN hours <> 0 THEN DATE '2026-06-05' + hours END AS day, NULLIF(reason, '') AS reason, tries, is_dead
FROM unnest(CAST(:company AS text[]), CAST(:clinic AS text[]), CAST(:patient AS text[]), CAST(:kind AS text[]),
    CAST(:amount AS int[]), CAST(:hours AS int[]), CAST(:reason AS text[]), CAST(:tries AS int[]),
    CAST(:is_dead AS boolean[]))
    WITH ORDINALITY AS given(company, clinic, patient, kind, amount, hours, reason, tries, is_dead, number)
"""


class ListedRow(NamedTuple):
    """The values of a row that determine its place in a list. Many rows are equal, because there are few values."""

    company: str
    clinic: str
    patient: str
    kind: str
    amount: int | None
    hours: int
    reason: str
    tries: int
    is_dead: bool


row_lists = st.lists(
    st.builds(
        ListedRow,
        company=st.sampled_from(COMPANIES),
        clinic=st.sampled_from(CLINICS),
        patient=st.sampled_from(["ada", "Bea", "bea", "Zoë ~ 1", "\u00e9mile"]),
        kind=st.sampled_from(["", "Copay", "Other"]),
        amount=st.sampled_from([None, 0, 2500, -100, 99999]),
        hours=st.integers(-2, 2),
        reason=st.sampled_from(["", "invalid_event", "integration_off"]),
        tries=st.integers(1, 3),
        is_dead=st.booleans(),
    ),
    max_size=14,
)


class SortedList(NamedTuple):
    """A list: its definition, its sort keys, and a function that reads a window of it."""

    report: Report
    sorts: Any
    read: Callable[[Transaction, Scope, Window, Sort], list[PositionedRow[Any]]]


LIST_BY_NAME = {
    "feed": SortedList(
        CLAIMS_FEED,
        claims_feed.SORTS,
        lambda tx, scope, window, sort: claims_feed.read_page(tx, FeedFilter(scope=scope), window, sort),
    ),
    "log": SortedList(
        PAYMENT_LOG,
        payment_log.SORTS,
        lambda tx, scope, window, sort: payment_log.read_page(tx, PaymentLogFilter(scope=scope), window, sort),
    ),
    "exceptions": SortedList(
        EXCEPTIONS,
        exceptions.SORTS,
        lambda tx, scope, window, sort: exceptions.read_page(tx, ExceptionFilter(scope=scope), window, sort),
    ),
    "audit": SortedList(
        AUDIT, audit.SORTS, lambda tx, _, window, sort: audit.read_page(tx, AuditFilter(), window, sort)
    ),
}


@contextmanager
def stored_rows(tx: Transaction, rows: list[ListedRow]) -> Iterator[None]:
    """Store rows until the end of the block."""
    savepoint = tx.begin_nested()
    columns = {name: [getattr(row, name) for row in rows] for name in ListedRow._fields}
    tx.execute(text(_ROWS_TABLE), columns)
    for statement in _INSERT_STATEMENTS:
        tx.execute(text(statement))
    yield
    savepoint.rollback()


def sort_by_database(tx: Transaction, values: list[Any], sql_type: str, sort: Sort) -> list[Any]:
    """Return values in the order of a plain ORDER BY of PostgreSQL."""
    direction = "DESC" if sort.is_descending else "ASC"
    query = f"SELECT value FROM unnest(CAST(:found AS {sql_type}[])) AS value ORDER BY value {direction}"
    return list(tx.execute(text(query), {"found": values}).scalars())


def read_pages(read: Callable[[Window], Page[Any]], start: Window, *, forward: bool) -> list[Page[Any]]:
    """Return all pages, from the first to the last if `forward`, otherwise from the last to the first."""
    pages = [read(start)]
    while pages[-1].has_more if forward else pages[-1].has_previous:
        edge = pages[-1].rows[-1 if forward else 0].position
        pages.append(read(Window(start.limit, edge, is_backward=not forward)))
        assert len(pages) < 100
    return pages


@pytest.mark.parametrize("name", LIST_BY_NAME)
def test_pages_in_both_directions_equal_a_plain_sort(tx: Transaction, name: str) -> None:
    each = LIST_BY_NAME[name]

    @settings(max_examples=example_count(20))
    @given(
        rows=row_lists,
        sort=st.sampled_from(each.report.sorts),
        size=st.integers(1, 5),
        scope=st.sampled_from([EVERYTHING, Scope.of_companies("alpha")]),
    )
    def check(rows: list[ListedRow], sort: Sort, size: int, scope: Scope) -> None:
        def read(window: Window) -> Page[Any]:
            return read_window(window, lambda part: each.read(tx, scope, part, sort))

        with stored_rows(tx, rows):
            everything = read(Window(1_000)).rows
            forward = read_pages(read, Window(size), forward=True)
            backward = read_pages(read, Window(size, is_backward=True), forward=False)

            values = [row.position[0] for row in everything]
            assert values == sort_by_database(tx, values, each.sorts[sort.column][0].sql_type, sort)
            assert [row for page in forward for row in page.rows] == list(everything)
            assert join_pages(backward) == list(everything)
            assert len({row.position[-2:] for row in everything}) == len(everything)
            if name != "audit" and scope == EVERYTHING:
                assert len(everything) == sum(not row.is_dead or name == "feed" for row in rows)

    check()


def join_pages(pages: list[Page[Any]]) -> list[PositionedRow[Any]]:
    """Return the rows of pages that were read backward. The first page may repeat rows of the second page."""
    rows: list[PositionedRow[Any]] = []
    for page in pages:
        rows = [row for row in page.rows if row not in rows] + rows
    return rows


@pytest.mark.parametrize("name", LIST_BY_NAME)
def test_definition_and_queries_have_the_same_sorts(name: str) -> None:
    report, sorts, _ = LIST_BY_NAME[name]
    sortable = {column.key: column.sort for column in report.columns if column.sort}

    assert sortable.keys() == sorts.keys()
    assert [key for key, cost in sortable.items() if cost is SortCost.INDEX] == [report.sort_of(None).column]


def test_added_row_moves_no_row_to_another_page(tx: Transaction) -> None:
    rows = [
        ListedRow("alpha", "north", f"p{number}", "Copay", 100, number, "", 1, is_dead=False) for number in range(9)
    ]
    with stored_rows(tx, rows):
        first = claims_feed.read_page(tx, FeedFilter(), Window(3))
        second = claims_feed.read_page(tx, FeedFilter(), Window(3, first[-1].position))
        tx.execute(text("UPDATE lines SET saved_at = '2026-07-01 00:00+00' WHERE patient_id = 'p0'"))

        assert claims_feed.read_page(tx, FeedFilter(), Window(3, first[-1].position)) == second
        assert claims_feed.read_page(tx, FeedFilter(), Window(3, second[0].position, is_backward=True)) == first


def test_positions_are_different_and_in_order(tx: Transaction) -> None:
    rows = [ListedRow("alpha", "north", "ada", "Copay", 100, 0, "", 1, is_dead=number % 2 == 0) for number in range(6)]
    with stored_rows(tx, rows):
        found = [each.position for each in claims_feed.read_page(tx, FeedFilter(), Window(10))]

    assert len(found) == 6
    assert all(before > after for before, after in pairwise(found))
