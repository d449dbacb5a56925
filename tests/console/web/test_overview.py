"""The overview: each figure equals the number of rows on the page that the figure links to."""

import html
import re
import time
from decimal import Decimal

import pytest
from fastapi import FastAPI

from payments.access import authentication
from payments.access.authentication import NewPassword
from payments.access.rights import Role, User
from payments.contract.event import ChargeType
from payments.core.scope import Scope
from payments.journeys import configuring
from payments.journeys.configuring import CompanyUpdate
from payments.store.db.connection import Database, transaction
from tests.builders.committed import ClinicLedger
from tests.builders.events import paid, saved_patient, saved_payment
from tests.console.conftest import CHEAP
from tests.console.web.conftest import CLINIC, PASSWORD, Browser
from tests.console.web.scenarios import LoggedIn, edit_in_closed_month, rows

pytestmark = pytest.mark.slow

DAY = "2026-03-05"
OFFSET_BY_ZONE = {"America/Los_Angeles": "-08:00", "Asia/Kolkata": "+05:30", "Pacific/Auckland": "+13:00"}
TILE_LINK_PATTERN = re.compile(
    r'<a class="tile" href="(/(?:claims-feed|exceptions)[^"]*)">.*?<strong[^>]*>([\d,]+)</strong>', re.DOTALL
)
CAUSE_ROW_PATTERN = re.compile(
    r'<td class="n"><a href="(/claims-feed[^"]+)">([\d,]+)</a></td>\s*<td class="n">(.*?)</td>', re.DOTALL
)
TOTAL_LINK_PATTERN = re.compile(r'<a class="note" href="(/claims-feed[^"]+)">([\d,]+) payments?, (.*?)</a>')
INTERNAL_LINK_PATTERN = re.compile(
    r'<a href="(/claims-feed\?posted=internal_payment)">([\d,]+) Internal Payments?</a> of (.*?)\. They'
)


def dollars(shown: str) -> Decimal:
    """Parse an amount that a page shows, with its tags, dollar sign, commas and minus sign."""
    text = re.sub(r"<[^>]+>|[$,]", "", shown).replace("\u2212", "-")
    return Decimal(text)


def check_figures(browser: Browser, page: str) -> dict[str, int]:
    """Check each figure of the overview against the rows behind its link. Return the figures by link."""
    tiles = [(html.unescape(link), figure, None) for link, figure in TILE_LINK_PATTERN.findall(page)]
    patterns = CAUSE_ROW_PATTERN, TOTAL_LINK_PATTERN, INTERNAL_LINK_PATTERN
    causes = [(html.unescape(link), *figures) for each in patterns for link, *figures in each.findall(page)]
    for link, figure, amount in [*tiles, *causes]:
        found = rows(browser, f"/api{link}{'&' if '?' in link else '?'}limit=1000")
        assert len(found) == int(figure.replace(",", "")), link
        assert amount is None or dollars(amount) == sum(Decimal(row["difference"] or 0) for row in found), link
    return {link: int(figure.replace(",", "")) for link, figure, _ in [*tiles, *causes]}


def publish_all_kinds(ledger: ClinicLedger, company: str, clinic: str, late: str) -> None:
    """Save one payment of each kind: corrected, held, Not Sent, internal, with Amount Due 0.00, and invalid."""
    ids = {"clinic_id": clinic, "company_id": company, "saved_at": late}
    names = "corrected", "held", "kept", "internal", "nothing-due"
    corrected, held, kept, internal, nothing_due = ({"payment_id": f"{name}-{clinic}", **ids} for name in names)
    invalid = saved_payment("9.00", payment_id=f"invalid-{clinic}", **ids).model_dump_json(by_alias=True).encode()
    events = (
        saved_patient(company_id=company),
        saved_payment(**corrected, **paid("25.00", DAY)),
        saved_payment(version=2, **corrected, **paid("35.00", DAY)),
        saved_payment(patient_id="not-in-billing", **held),
        saved_payment(charge_type="Supplies", **kept),
        saved_payment(internal_payment=True, **internal),
        saved_payment(amount_due="0.00", **nothing_due),
        invalid.replace(b'"Cash"', b'"Barter"'),
    )
    ledger.in_office(clinic, lambda office: office.publish(*events), ChargeType.COPAY, company_id=company)


@pytest.fixture(scope="package")
def _payments_of_each_kind(ledger_database: Database) -> None:
    ledger = ClinicLedger(ledger_database)
    publish_all_kinds(ledger, "company", CLINIC, f"{DAY}T23:30:00-07:00")
    edit_in_closed_month(ledger, "overview-closed", "overview-company")
    for zone, offset in OFFSET_BY_ZONE.items():
        company = zone.partition("/")[2].lower()
        for moment in ("00:10", "23:50"):
            publish_all_kinds(ledger, company, f"{company}-{moment[:2]}", f"{DAY}T{moment}:00{offset}")
        scope = Scope(frozenset({company}))
        with transaction(ledger_database) as tx:
            configuring.set_company(tx, CompanyUpdate(company, timezone=zone), now=ledger.now(), who="user:admin")
            user, password = User(f"biller-{company}", Role.BILLING, scope), NewPassword(PASSWORD, CHEAP)
            authentication.add_user(tx, user, password, ledger.now(), "tests")


@pytest.mark.usefixtures("_payments_of_each_kind")
@pytest.mark.parametrize("user", ["admin", f"billing-of-{CLINIC}"])
def test_each_figure_equals_the_rows_of_the_page_that_it_links_to(logged_in: LoggedIn, user: str) -> None:
    browser = logged_in(user)
    found = check_figures(browser, browser.get("/", day=DAY).text)

    assert sum(count > 0 for count in found.values()) >= 8
    assert {"posted=zero_due", "posted=internal_payment", "posted=not_in_billing"} <= {
        part for link in found for part in re.findall(r"posted=\w+", link)
    }


@pytest.mark.usefixtures("_payments_of_each_kind")
@pytest.mark.parametrize("browser_zone", ["UTC", "America/Los_Angeles", "Pacific/Auckland"])
@pytest.mark.parametrize("zone", OFFSET_BY_ZONE)
def test_day_is_the_day_of_the_clinic_in_every_time_zone(logged_in: LoggedIn, zone: str, browser_zone: str) -> None:
    browser = logged_in(f"biller-{zone.partition('/')[2].lower()}")
    browser.client.cookies.set("payments_zone", browser_zone)
    page = browser.get("/", day=DAY).text
    found = check_figures(browser, page)

    assert found[f"/claims-feed?since={DAY}&until={DAY}"] == 12
    assert f"Hours are in {zone.replace('_', ' ')}." in page
    assert sum(map(int, re.findall(r"<td>\d\d:00</td><td class=\"n\">(\d+)</td>", page))) == 12


@pytest.mark.parametrize(("seconds", "kind"), [(30, "alert-warning"), (3_600, "alert-danger")])
def test_warning_says_that_events_wait_and_what_to_do(
    logged_in: LoggedIn, site: FastAPI, seconds: int, kind: str
) -> None:
    console = site.state.console
    assert "EMR are waiting" not in logged_in("operator").get("/").text
    console.feed.xadd(console.settings.stream, {"event": "{}"}, id=f"{int((time.time() - seconds) * 1_000)}-0")
    try:
        pages = {user: logged_in(user).get("/").text for user in ("operator", f"billing-of-{CLINIC}")}
    finally:
        console.feed.delete(console.settings.stream)

    assert all(kind in page and "EMR are waiting" in page for page in pages.values())
    assert "EMR are waiting (1)" in pages["operator"]
    assert "See Health." in pages["operator"]
    assert "EMR are waiting (" not in pages[f"billing-of-{CLINIC}"]
    assert "Tell an operator." in pages[f"billing-of-{CLINIC}"]


@pytest.mark.parametrize("user", ["admin", "front-office"])
def test_overview_of_a_day_without_payments_leads_to_the_last_day_with_payments(
    logged_in: LoggedIn, ledger: ClinicLedger, user: str
) -> None:
    """A demonstration publishes payments of past weeks, so the current day is empty."""
    ids = {"clinic_id": f"quiet-{user}", "company_id": "quiet-company"}
    ledger.in_office(
        ids["clinic_id"],
        lambda office: office.publish(
            saved_patient(company_id="quiet-company"), saved_payment(saved_at="2020-02-03T12:00:00Z", **ids)
        ),
        company_id="quiet-company",
    )

    page = logged_in(user).get("/", day="2020-02-05").text

    assert 'No payments were saved on <span class="nowrap">2020-02-05</span>.' in page
    assert 'href="/?day=2020-02-03"' in page
    assert "Everything that was saved is in Billing." not in page
    assert "No payments were saved on" not in logged_in(user).get("/", day="2020-02-03").text
