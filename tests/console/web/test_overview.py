"""The overview: each figure equals the number of rows on the page that the figure links to."""

import html
import re

import pytest

from payments.contract.event import ChargeType
from payments.store.db.connection import Database
from tests.builders.committed import ClinicLedger
from tests.builders.events import paid, saved_patient, saved_payment
from tests.console.web.conftest import CLINIC, Browser
from tests.console.web.scenarios import LoggedIn, edit_in_closed_month, rows

pytestmark = pytest.mark.slow

DAY, LATE = "2026-03-05", "2026-03-05T23:30:00-07:00"
TILE = re.compile(r'<a class="tile" href="([^"]+)">.*?<strong[^>]*>([\d,]+)</strong>', re.DOTALL)
REASON = re.compile(r'<td class="n"><a href="(/claims-feed[^"]+)">([\d,]+)</a>')


def linked_figures(browser: Browser, pattern: re.Pattern[str]) -> dict[str, int]:
    """Return the figures of the overview by the address that each figure links to."""
    page = browser.get("/", day=DAY).text
    return {html.unescape(link): int(figure.replace(",", "")) for link, figure in pattern.findall(page)}


@pytest.fixture(scope="module")
def _payments_of_each_status(ledger_database: Database) -> None:
    """Save payments on one day: a corrected, held, Not Sent and invalid one, and an exception of a closed month."""
    ledger = ClinicLedger(ledger_database)
    for clinic in (CLINIC, "busy"):
        company = "company" if clinic == CLINIC else "busy-company"
        ids = {"clinic_id": clinic, "company_id": company, "saved_at": LATE}
        corrected, held, kept = ({"payment_id": f"{name}-overview", **ids} for name in ("corrected", "held", "kept"))
        invalid = saved_payment("9.00", payment_id="invalid-overview", **ids).model_dump_json(by_alias=True).encode()
        events = (
            saved_patient(company_id=company),
            saved_payment(**corrected, **paid("25.00", DAY)),
            saved_payment(version=2, **corrected, **paid("35.00", DAY)),
            saved_payment(patient_id="not-in-billing", **held),
            saved_payment(charge_type="Supplies", **kept),
            invalid.replace(b'"Cash"', b'"Barter"'),
        )
        ledger.office(
            clinic, lambda office, events=events: office.publish(*events), ChargeType.COPAY, company_id=company
        )
    edit_in_closed_month(ledger, "overview-closed", "overview-company")


@pytest.mark.usefixtures("_payments_of_each_status")
@pytest.mark.parametrize("user", ["admin", f"billing-of-{CLINIC}"])
def test_each_figure_equals_the_rows_of_the_page_that_it_links_to(logged_in: LoggedIn, user: str) -> None:
    browser = logged_in(user)
    tiles, reasons = linked_figures(browser, TILE), linked_figures(browser, REASON)

    assert sum(count > 0 for count in tiles.values()) >= 4
    assert reasons
    for link, figure in {**tiles, **reasons}.items():
        assert len(rows(browser, f"/api{link}{'&' if '?' in link else '?'}limit=1000")) == figure, link
