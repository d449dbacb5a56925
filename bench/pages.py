"""Measure console pages of 50 rows among a million payments. Compare each with an indexed query for the same rows.

Three times are measured in turn: the time of that plain query, of the console's queries, and of the whole HTTP
response with session, audit and rendering. Afterwards the search is measured (`bench/search.py`).
"""

import argparse
import contextlib
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from itertools import product
from typing import Any, NamedTuple, TypeVar

import httpx
import psycopg
from rich.console import Console
from rich.table import Table

from bench import growth, search
from bench.documents import write_table
from bench.search import SearchTiming
from bench.testbed import Testbed, WrongResultError, running, start_testbed, wait_for
from config.database_urls import libpq_url
from payments.access import authentication
from payments.access.authentication import NewPassword, UserError
from payments.access.rights import Role, User
from payments.core.outcome import Status
from payments.core.posted import PostedFilter
from payments.core.scope import Scope
from payments.core.sorting import Position
from payments.journeys import reporting
from payments.journeys.reporting import ExceptionFilter, FeedFilter, PaymentLogFilter, Window
from payments.store.db.connection import Transaction, transaction
from workers.runtime.ports import free_port

TIME_RATIO_MAX = 10
"""Target: the time of a page's queries, divided by that of the plain query, is at most this."""
PAYMENTS, ROWS, ROUNDS, WARM = 1_000_000, 50, 60, 10
NAME, PASSWORD = "bench", "nobody else gets in here"
_SET_SOME_NOT_SENT = (
    "UPDATE lines SET status = 'Not Sent', reason = 'type_not_selected', application = 'none', target = 0 "
    "WHERE id % 50 = 0 AND application = 'imported'"
)
_Result = TypeVar("_Result")


class PageCase(NamedTuple):
    """A page to measure: the plain query to compare it with, the console's reading function, and the page's address."""

    bare: str
    read: Callable[[Transaction], list[int]]
    address: str


class PageTiming(NamedTuple):
    """Median milliseconds of the plain query, the console's queries, and the whole response."""

    bare: float
    reading: float
    answer: float

    @property
    def ratio(self) -> float:
        """The time of the console's queries divided by the time of the plain query."""
        return self.reading / self.bare


def main() -> int:
    """Measure, print the tables and write them into the documentation.

    Return 1 if a page or a search exceeds its limit, otherwise 0. Results are written only for a ledger
    of PAYMENTS payments.
    """
    asked = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    asked.add_argument("--payments", type=int, default=PAYMENTS)
    with start_testbed() as testbed:
        payments = asked.parse_args().payments
        found, searches = measure(testbed, payments), measure_search(testbed, payments)
    table = Table(title=f"A page of {ROWS} rows, milliseconds in the median of {ROUNDS} rounds", title_justify="left")
    for heading in ("", "bare query", "reading", "reading / bare", "answer over HTTP"):
        table.add_column(heading, justify="left" if not heading else "right")
    for row in page_rows(found):
        table.add_row(*row)
    console = Console(width=120)
    console.print(table)
    console.print(search.table(searches))
    if payments == PAYMENTS:
        write_table("Console pages", page_rows(found))
        write_table("Search", search.rows(searches))
    is_slow = max(each.ratio for each in found.values()) > TIME_RATIO_MAX
    return int(is_slow or max(each.slowest for each in searches.values()) > search.LIMIT_MS)


def page_rows(found: dict[str, PageTiming]) -> list[tuple[str, ...]]:
    """Return the rows of the table in the documentation."""
    return [
        (name, f"{each.bare:.2f}", f"{each.reading:.2f}", f"{each.ratio:.1f}", f"{each.answer:.1f}")
        for name, each in found.items()
    ]


def measure(testbed: Testbed, payments: int) -> dict[str, PageTiming]:
    """Fill a ledger, serve the console with it, and return the median times of each page over several rounds."""
    growth.create_ledger(testbed, "bench_pages", payments, _SET_SOME_NOT_SENT)
    growth.use_ledger(testbed, "bench_pages")
    cases = _cases()
    taken: dict[str, list[tuple[float, ...]]] = {name: [] for name in cases}
    with (
        psycopg.connect(libpq_url(testbed.engines.database_url), autocommit=True) as bare,
        console_client(testbed) as (client, _),
    ):
        for _, (name, case) in product(range(WARM + ROUNDS), cases.items()):
            taken[name].append(_time_case(testbed, case, bare, client))
    growth.drop_ledgers(testbed, "bench_pages")
    return {name: PageTiming(*map(statistics.median, zip(*times[WARM:], strict=True))) for name, times in taken.items()}


def measure_search(testbed: Testbed, payments: int) -> dict[str, SearchTiming]:
    """Fill a ledger with names, check numbers and various amounts. Return the median times of each search."""
    growth.create_ledger(testbed, "bench_search", payments, *search.PREPARATION, patients=search.PATIENTS)
    growth.use_ledger(testbed, "bench_search")
    with console_client(testbed) as (client, _):
        found = search.measure(testbed, client)
    growth.drop_ledgers(testbed, "bench_search")
    return found


def _time_case(
    testbed: Testbed, case: PageCase, bare: psycopg.Connection[Any], client: httpx.Client
) -> tuple[float, ...]:
    def read() -> list[int]:
        with transaction(testbed.database) as tx:
            return case.read(tx)

    wanted, bare_ms = _run_timed(lambda: [row[0] for row in bare.execute(case.bare).fetchall()])
    found, reading_ms = _run_timed(read)
    answer, answer_ms = _run_timed(lambda: client.get(case.address))
    is_shown = answer.status_code == 200 and answer.text.count("stored-") >= ROWS
    if found != wanted or len(found) != ROWS or not is_shown:
        raise WrongResultError(f"{case.address}: these are not the {ROWS} rows of the bare query")
    return bare_ms, reading_ms, answer_ms


def _run_timed(work: Callable[[], _Result]) -> tuple[_Result, float]:
    started = time.perf_counter()
    result = work()
    return result, (time.perf_counter() - started) * 1_000


@contextmanager
def console_client(testbed: Testbed) -> Iterator[tuple[httpx.Client, int]]:
    """Serve the console with the testbed's ledger. Yield a logged-in HTTP client, and the process id of the console."""
    with transaction(testbed.database) as tx, contextlib.suppress(UserError):  # the user may exist from an earlier call
        authentication.add_user(tx, User(NAME, Role.ADMIN), NewPassword(PASSWORD), datetime.now(UTC), "bench")
    port = str(free_port())
    with (
        running(testbed, "console", (sys.executable, "-m", "console.web.serve"), PAYMENTS_CONSOLE_PORT=port) as pid,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        wait_for(lambda: _is_answering(client), "the console to answer")
        form = re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get("/login").text)
        assert form
        assert client.post("/login", data={"csrf": form[1], "name": NAME, "password": PASSWORD}).status_code == 303
        yield client, pid


def _is_answering(client: httpx.Client) -> bool:
    try:
        return client.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def _cases() -> dict[str, PageCase]:
    middle = datetime(2026, 7, 16, 12, tzinfo=UTC)
    place = f"2026-07-16T12:00:00Z~0~{2**62}"
    return {
        "Claims Feed": _feed_case("", FeedFilter(), None, ""),
        "Claims Feed, half-way down": _feed_case(
            "WHERE (saved_at, id) < ('2026-07-16 12:00+00', 4611686018427387904)",
            *(FeedFilter(), (middle, 0, 2**62), f"after={place}"),
        ),
        "Claims Feed of a clinic": _feed_case(
            "WHERE clinic_id = 'clinic-7'", FeedFilter(scope=Scope.of_clinics("clinic-7")), None, "clinic=clinic-7"
        ),
        "Claims Feed, Not Sent": _feed_case(
            "WHERE status = 'Not Sent'", FeedFilter(status=Status.NOT_SENT), None, "status=Not+Sent"
        ),
        "Claims Feed, not in Billing": _feed_case(
            "WHERE status <> 'Transmission Successful' OR application = 'exception'",
            *(FeedFilter(posted=PostedFilter.NOT_IN_BILLING), None, "posted=not_in_billing"),
        ),
        "Payment Log": _log_case("", PaymentLogFilter(), ""),
        "Payment Log of a day": _log_case(
            "WHERE deposit_date = '2026-07-01'",
            *(PaymentLogFilter(since=date(2026, 7, 1), until=date(2026, 7, 1)), "since=2026-07-01&until=2026-07-01"),
        ),
        "Payment Log of a clinic": _log_case(
            "WHERE clinic_id = 'clinic-7'", PaymentLogFilter(scope=Scope.of_clinics("clinic-7")), "clinic=clinic-7"
        ),
        "Billing Exceptions": PageCase(
            "SELECT id, * FROM findings WHERE status = 'open' ORDER BY id LIMIT 50",
            lambda tx: [each.row.id for each in reporting.exceptions_page(tx, ExceptionFilter(), Window(ROWS)).rows],
            "/exceptions",
        ),
    }


def _feed_case(where: str, wanted: FeedFilter, after: Position | None, query: str) -> PageCase:
    return PageCase(
        f"SELECT id, * FROM lines {where} ORDER BY saved_at DESC, id DESC LIMIT 50",
        lambda tx: [
            int(str(each.position[-1])) for each in reporting.claims_feed_page(tx, wanted, Window(ROWS, after)).rows
        ],
        f"/claims-feed?{query}",
    )


def _log_case(where: str, query: PaymentLogFilter, address: str) -> PageCase:
    return PageCase(
        f"SELECT id, * FROM entries {where} ORDER BY deposit_date DESC, id DESC LIMIT 50",
        lambda tx: [int(str(each.position[-1])) for each in reporting.payment_log_page(tx, query, Window(ROWS)).rows],
        f"/payment-log?{address}",
    )


if __name__ == "__main__":
    sys.exit(main())
