"""Trends by week and clinic: page, API and command line show the same figures. Each number links to its rows."""

import html
import re
from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import text

from payments.store.db.connection import Database, transaction
from tests.builders.committed import ClinicLedger
from tests.console.web.scenarios import LoggedIn, rows
from tests.console.web.test_overview import publish_all_kinds
from tests.console.web.test_short_lists import exported_rows

pytestmark = pytest.mark.slow

COMPANY = "trendy"
PERIOD_FILTER = {"company": COMPANY, "since": "2026-03-01", "until": "2026-03-31"}
ROWS_LINK_PATTERN = re.compile(r'<a href="(/claims-feed\?[^"]+)">([\d,]+)')


@pytest.fixture(scope="package")
def _payments(ledger_database: Database) -> None:
    ledger = ClinicLedger(ledger_database)
    publish_all_kinds(ledger, COMPANY, "trendy-a", "2026-03-05T09:00:00-07:00")
    publish_all_kinds(ledger, COMPANY, "trendy-b", "2026-03-15T23:50:00-07:00")
    with transaction(ledger_database) as tx:
        values = "(:company, :day, 'exceptions', 'zero_due', '', 'trendy-a', 7, 70.00, now())"
        tx.execute(text(f"INSERT INTO daily_queues VALUES {values}"), {"company": COMPANY, "day": date.today()})


@pytest.mark.usefixtures("_payments")
@pytest.mark.parametrize(
    ("group", "names"), [("week", ["2026-03-02", "2026-03-09"]), ("clinic", ["trendy-a", "trendy-b"])]
)
def test_each_row_adds_up_and_its_numbers_open_their_rows(logged_in: LoggedIn, group: str, names: list[str]) -> None:
    found = rows(logged_in("billing"), "/api/trends", group_by=group, **PERIOD_FILTER)
    page = logged_in("billing").get("/trends", group_by=group, **PERIOD_FILTER).text

    assert [row[group] for row in found] == names
    for row in found:
        parts = (Decimal(row[name]) for name in ("in_billing", "not_in_billing", "internal"))
        assert sum(parts) == Decimal(row["paid"])
        assert (row["count"], row["in_billing"], row["internal"]) == (6, "60.00", "25.00")
    links = ROWS_LINK_PATTERN.findall(page)
    assert len(links) == 4
    for link, figure in links:
        assert len(rows(logged_in("billing"), f"/api{html.unescape(link)}&limit=1000")) == int(figure), link


@pytest.mark.usefixtures("_payments")
def test_work_queues_are_shown_by_day_to_their_company_only(logged_in: LoggedIn) -> None:
    row = rf'<td class="nowrap">{date.today()}</td><td class="n">\d+</td><td class="n">7</td>'

    assert re.search(row, logged_in("billing").get("/trends", company=COMPANY).text)
    assert not re.search(row, logged_in("billing-of-north").get("/trends").text)


@pytest.mark.usefixtures("_payments")
@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("trends", PERIOD_FILTER),
        ("trends", PERIOD_FILTER | {"group_by": "clinic"}),
        ("not-in-billing", {"company": COMPANY}),
    ],
)
def test_file_has_the_rows_of_the_api(logged_in: LoggedIn, name: str, query: dict[str, str]) -> None:
    billing = logged_in("billing")
    expected = rows(billing, f"/api/{name}", **query)

    found = exported_rows(billing, f"/{name}", **query)
    assert found == [{key: "" if value is None else str(value) for key, value in row.items()} for row in expected]
    assert found
    book = billing.get(f"/{name}/export", form="xlsx", **query)
    assert book.content.startswith(b"PK")


def test_pages_link_to_the_files_for_those_who_may_export(logged_in: LoggedIn) -> None:
    for path, address in (
        ("/trends?group_by=clinic", "/trends/export?group_by=clinic&amp;form=xlsx"),
        ("/?day=2026-03-05", "/not-in-billing/export?form=csv"),
    ):
        assert f'href="{address}"' in logged_in("billing").get(path).text
        assert "/export" not in logged_in("front-office").get(path).text
