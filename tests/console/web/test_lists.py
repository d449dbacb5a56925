"""Lists: the count, the pages and the export agree on the rows, for each sort."""

import csv
import html
import io
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from payments.core.period import Period
from payments.core.sorting import Sort
from payments.journeys import configuring
from payments.journeys.configuring import CompanyUpdate
from payments.store.db.connection import Database, transaction
from tests.builders.committed import ClinicLedger
from tests.builders.events import paid, saved_patient, saved_payment
from tests.console.web.conftest import Browser
from tests.console.web.scenarios import LoggedIn, edit_in_closed_month, rows

pytestmark = pytest.mark.slow

CLINIC, COMPANY, PAYMENTS = "lists", "lists-company", 120
PAGE_LINK_PATTERN = re.compile(r'<a class="btn" href="([^"]+)"[^>]*>(First|Previous|Next|Last) page</a>')


class ListCase(NamedTuple):
    """A list: its path, the filter that selects its rows, and the key of its rows."""

    path: str
    query: dict[str, str]
    key: str


LIST_CASES = [
    ListCase("claims-feed", {"clinic": CLINIC}, "payment"),
    ListCase("payment-log", {"clinic": CLINIC}, "payment"),
    ListCase("exceptions", {"clinic": CLINIC, "status": "all"}, "id"),
]
each_list = pytest.mark.parametrize("case", LIST_CASES, ids=lambda case: case.path)


@pytest.fixture(scope="package")
def payments(ledger_database: Database) -> None:
    """More than two pages of payments, each with an entry. One more payment has an exception."""
    ledger = ClinicLedger(ledger_database)
    edit_in_closed_month(ledger, CLINIC, COMPANY)
    first = date(2026, 7, 1)
    events = [
        saved_payment(
            payment_id=f"p-{number}",
            clinic_id=CLINIC,
            company_id=COMPANY,
            patient_id=f"patient-{number % 7}",
            reference=f"{1000 + number}",
            **paid(f"{number % 10}.50", str(first + timedelta(days=number % 30))),
        )
        for number in range(PAYMENTS)
    ]
    patients = [saved_patient(f"patient-{number}", company_id=COMPANY, name=f"Name {number}") for number in range(7)]
    ledger.in_office(CLINIC, lambda office: office.publish(*patients, *events), company_id=COMPANY)


@pytest.fixture
def browser(payments: None, logged_in: LoggedIn) -> Browser:
    return logged_in("billing")


def page_links(page: str) -> dict[str, str]:
    return {name: html.unescape(address) for address, name in PAGE_LINK_PATTERN.findall(page)}


def row_keys(page: str) -> list[str]:
    return re.findall(r'<a class="key" href="/timeline\?payment=([^"&]+)', page)


def keys_by_page(browser: Browser, address: str, step: str) -> Iterator[list[str]]:
    """Yield the keys of each page. Follow the link with the name `step` to the next page."""
    while True:
        page = browser.client.get(address).text
        yield row_keys(page)
        if step not in page_links(page):
            return
        address = page_links(page)[step]


def exported_rows(browser: Browser, case: ListCase, **query: str) -> list[dict[str, str]]:
    answer = browser.get(f"/{case.path}/export", **case.query, **query)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))


@pytest.mark.parametrize("sort", ["", "amount", "-amount", "-patient"])
@pytest.mark.parametrize("path", ["claims-feed", "payment-log"])
def test_pages_in_both_directions_and_export_have_the_same_rows(browser: Browser, path: str, sort: str) -> None:
    case = next(each for each in LIST_CASES if each.path == path)
    address = f"/{path}?clinic={CLINIC}&sort={sort}"

    forward = [*keys_by_page(browser, address, "Next")]
    last = page_links(browser.client.get(address).text)["Last"]
    backward = [*keys_by_page(browser, last, "Previous")]

    whole = [key for page in forward for key in page]
    assert [len(page) for page in forward[:-1]] == [50] * (len(forward) - 1)
    assert backward[-1] == forward[0]
    assert backward[0] == whole[-50:]
    assert {key for page in backward for key in page} == set(whole)
    assert [row["payment"].replace("/", "%2F") for row in exported_rows(browser, case, sort=sort)] == whole


@each_list
def test_count_and_sum_equal_the_exported_rows(browser: Browser, case: ListCase) -> None:
    found = exported_rows(browser, case)
    column = "difference" if case.path == "exceptions" else "amount"
    total = sum(float(row[column] or 0) for row in found)
    answer = browser.client.get(f"/{case.path}/summary", params=case.query, headers={"hx-request": "true"}).text

    assert f"<strong>{len(found):,} " in answer
    assert f"<strong>${total:,.2f}</strong>" in answer
    page = browser.get(f"/{case.path}/summary", **case.query)
    assert f"<strong>{len(found):,} " in page.text
    assert "Back to the list" in page.text


def test_count_of_a_long_list_is_bounded(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.web.summaries.SORTED_ROWS_MAX", 100)

    counted = browser.get("/claims-feed/summary", clinic=CLINIC).text
    exact = browser.get("/claims-feed/summary", clinic=CLINIC, exact="true").text

    assert "More than <strong>100</strong> payments" in counted
    assert f"<strong>{PAYMENTS + 1} payments</strong>" in exact


def test_count_that_takes_too_long_is_stopped(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.web.summaries.TIME_LIMIT_MS", 1)
    monkeypatch.setattr(
        "payments.store.reports.claims_feed._TOTAL_COLUMNS", "count(*) AS count, sum(pg_sleep(1)::text::int)"
    )

    assert "More rows than can be counted" in browser.get("/claims-feed/summary", clinic=CLINIC, exact="true").text


def test_short_list_shows_its_count_without_another_request(browser: Browser) -> None:
    page = browser.get("/payment-log", clinic=CLINIC, patient="patient-3").text

    assert "<strong>17 rows</strong>" in page
    assert "hx-get" not in page.partition('id="summary"')[2].partition("</p>")[0]


def test_selection_is_counted_and_added_up_before_a_requeue_without_scripts(browser: Browser) -> None:
    chosen = [f"{CLINIC}/p-{number}/1" for number in (3, 14)]
    page = browser.post(
        "/claims-feed/selected", payment=[*chosen, chosen[0]], back=f"/claims-feed?clinic={CLINIC}"
    ).text

    assert "<strong>2 payments</strong> selected, <strong>$8.00</strong>" in page
    assert re.findall(r'name="payment" value="([^"]+)"', page) == chosen
    assert f'href="/claims-feed?clinic={CLINIC}"' in page
    assert browser.post("/claims-feed/selected").status_code == 422


def test_list_that_is_too_long_to_sort_shows_a_notice(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("payments.journeys.reporting", "console.web.lists"):
        monkeypatch.setattr(f"{module}.SORTED_ROWS_MAX", 100)
    page = browser.get("/claims-feed", clinic=CLINIC, sort="amount")
    program = browser.get("/api/claims-feed", clinic=CLINIC, sort="amount")

    assert "More than 100 rows match. Narrow the filter to sort them by Amount." in page.text
    assert row_keys(page.text) == row_keys(browser.get("/claims-feed", clinic=CLINIC).text)
    assert program.status_code == 422
    assert browser.get("/claims-feed", clinic=CLINIC, sort="saved_at").status_code == 200


def test_api_list_is_read_by_pages_in_both_directions(browser: Browser) -> None:
    def get_page(**position: str) -> dict[str, Any]:
        found: dict[str, Any] = browser.get(
            "/api/payment-log", clinic=CLINIC, sort="-amount", limit=50, **position
        ).json()
        return found

    first = get_page()
    second = get_page(after=first["next"])
    again = get_page(before=second["previous"])
    last = get_page(before="end")

    assert first["previous"] is None
    assert again["rows"] == first["rows"]
    assert (last["next"], len(last["rows"])) == (None, 50)
    assert browser.get("/api/payment-log", after=first["next"], before="end", sort="-amount").status_code == 422


@pytest.mark.parametrize("position", ["x", "1~2", "2026-01-01~1~2~3", "%FF~0~1", "2026-01-01T00:00:00~0~1", "~~"])
def test_invalid_position_is_refused(browser: Browser, position: str) -> None:
    for name in ("after", "before"):
        assert browser.get("/api/claims-feed", **{name: position}).status_code == 422


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("period", [Period.TODAY, Period.YESTERDAY])
def test_period_uses_the_time_zone_of_the_company(
    logged_in: LoggedIn, ledger: ClinicLedger, zone: str, period: Period
) -> None:
    clinic = f"days-{zone[-4:].lower()}-{period}"
    today = datetime.now(UTC).astimezone(ZoneInfo(zone)).date()
    days = [today + timedelta(days=difference) for difference in (-2, -1, 0, 1)]
    saves = {day: datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone)).isoformat() for day in days}
    events = [
        saved_payment(payment_id=f"of-{day}", clinic_id=clinic, company_id=clinic, saved_at=saved_at)
        for day, saved_at in saves.items()
    ]
    patient = saved_patient(company_id=clinic)
    ledger.in_office(clinic, lambda office: office.publish(patient, *events), company_id=clinic)
    with transaction(ledger.database) as tx:
        configuring.set_company(tx, CompanyUpdate(clinic, timezone=zone), now=ledger.now(), who="user:admin")

    found = rows(logged_in("billing"), "/api/claims-feed", company=clinic, period=period)

    (day,) = {*period.days(today)}
    assert [row["payment"] for row in found] == [f"{clinic}/of-{day}/1"]


def test_explicit_dates_replace_the_period(browser: Browser) -> None:
    chosen = {"clinic": CLINIC, "since": "2026-07-01", "until": "2026-07-01"}

    assert rows(browser, "/api/payment-log", period="today", **chosen) == rows(browser, "/api/payment-log", **chosen)
    assert rows(browser, "/api/payment-log", period="today", clinic=CLINIC) == []


def test_heading_links_to_the_sorted_list_and_says_how_it_is_sorted(browser: Browser) -> None:
    page = browser.get("/payment-log", clinic=CLINIC, sort=str(Sort("amount", is_descending=True))).text

    assert (
        f'aria-sort="descending"><a class="sort" href="/payment-log?clinic={CLINIC}&amp;sort=amount">Amount</a>' in page
    )
    assert 'aria-sort="none"><a class="sort"' in page


def test_check_number_and_clinic_are_exported(browser: Browser) -> None:
    case = next(each for each in LIST_CASES if each.path == "payment-log")
    found = {row["payment"]: row for row in exported_rows(browser, case)}

    assert found[f"{CLINIC}/p-5/1"]["reference"] == "1005"
    assert {row["clinic"] for row in found.values()} == {CLINIC}
