"""A list shows how many rows were added since the page was opened. The shown rows do not move."""

import html
import re

import pytest

from tests.builders.committed import ClinicLedger
from tests.builders.events import saved_patient, saved_payment
from tests.console.web.conftest import Browser
from tests.console.web.scenarios import LoggedIn, edit_in_closed_month

pytestmark = pytest.mark.slow

NOUN_BY_PAGE = {"/claims-feed": "payment", "/payment-log": "row"}


def address_for_new_rows(browser: Browser, path: str, **query: str) -> str:
    """Return the address from which the page of a list requests the number of new rows."""
    found = re.search(r'id="newer" role="status" hx-get="([^"]+)"', browser.get(path, **query).text)
    assert found
    return html.unescape(found[1])


def add_payments(ledger: ClinicLedger, clinic: str, *names: str) -> None:
    moment = ledger.now().isoformat()
    payments = (saved_payment(payment_id=name, clinic_id=clinic, saved_at=moment) for name in names)
    ledger.publish(clinic, saved_patient(), *payments)


@pytest.mark.parametrize("path", NOUN_BY_PAGE)
def test_new_rows_are_counted_and_linked(logged_in: LoggedIn, ledger: ClinicLedger, path: str) -> None:
    browser, clinic = logged_in("billing"), f"newer{path.replace('/', '-')}"
    add_payments(ledger, clinic, "first", "second")
    address = address_for_new_rows(browser, path, clinic=clinic)

    assert browser.client.get(address).status_code == 204
    add_payments(ledger, clinic, "third")
    assert (
        browser.client.get(address).text.strip()
        == f'<a href="{path}?clinic={clinic}">Show 1 new {NOUN_BY_PAGE[path]}</a>'
    )


def test_new_row_of_an_empty_list_is_counted(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    ledger.set_clinic("newer-empty")
    address = address_for_new_rows(logged_in("billing"), "/claims-feed", clinic="newer-empty")
    add_payments(ledger, "newer-empty", "first")

    assert "Show 1 new payment" in logged_in("billing").client.get(address).text


def test_new_exceptions_are_at_the_end_of_the_list(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    browser = logged_in("billing")
    ledger.set_clinic("newer-found", company_id="newer-found")
    address = address_for_new_rows(browser, "/exceptions", clinic="newer-found")
    edit_in_closed_month(ledger, "newer-found", "newer-found")

    link = '<a href="/exceptions?clinic=newer-found&amp;before=end">Show 1 new exception</a>'
    assert browser.client.get(address).text.strip() == link


@pytest.mark.parametrize("query", [{"sort": "amount"}, {"as_of": "2099-01-01T00:00:00Z"}, {"before": "end"}], ids=str)
def test_page_that_new_rows_would_not_join_does_not_ask_for_them(
    logged_in: LoggedIn, ledger: ClinicLedger, query: dict[str, str]
) -> None:
    add_payments(ledger, "newer-long", *(f"p-{number}" for number in range(51)))

    assert 'id="newer"' not in logged_in("billing").get("/claims-feed", clinic="newer-long", **query).text
