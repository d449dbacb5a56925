"""The start page begins with the work of the user's role. Its figures equal the lists that they link to."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest

from console.web import start_page
from payments.access.rights import Role
from payments.core.month import Month
from payments.core.scope import Scope
from payments.journeys import choosing
from payments.store.db.connection import Database, transaction
from tests.builders.committed import ClinicLedger
from tests.builders.events import paid, saved_patient, saved_payment
from tests.console.web.conftest import CLINIC
from tests.console.web.scenarios import LoggedIn, add_not_sent, edit_in_closed_month, rows

pytestmark = pytest.mark.slow

HEADINGS_BY_ROLE = {
    Role.FRONT_OFFICE: ["Saved on", "Payments by hour", "Payments not in Billing"],
    Role.BILLING: ["Payments not in Billing", "Months to close", "Open exceptions by age", "Payments by hour"],
    Role.SUPPORT: ["Payments not in Billing", "Requeue runs", "Payments by hour"],
    Role.OPERATOR: ["Last night", "Payments not in Billing", "Requeue runs", "Payments by hour"],
    Role.ADMIN: [
        *("Payments not in Billing", "Months to close", "Last night", "Open exceptions by age", "Payments by hour")
    ],
}


@pytest.fixture(scope="package")
def _payments_to_work_on(ledger_database: Database) -> None:
    ledger = ClinicLedger(ledger_database)
    edit_in_closed_month(ledger, "start-closed", "start-company")
    add_not_sent(ledger, CLINIC, "start-out")
    last_month = str(Month.of(datetime.now(UTC).date()).plus(-1).first_day)
    ledger.publish("start-open", saved_patient(), saved_payment(clinic_id="start-open", **paid("25.00", last_month)))


@pytest.mark.usefixtures("_payments_to_work_on")
@pytest.mark.parametrize("role", Role)
def test_start_page_of_each_role_has_its_parts_in_order(logged_in: LoggedIn, role: Role) -> None:
    page = logged_in(role.value).get("/").text
    headings = [re.sub(r"<[^>]+>", "", each).strip() for each in re.findall(r"<h2[^>]*>(.*?)</h2>", page, re.DOTALL)]

    assert [
        wanted for wanted, found in zip(HEADINGS_BY_ROLE[role], headings, strict=True) if not found.startswith(wanted)
    ] == []


@pytest.mark.usefixtures("_payments_to_work_on")
def test_front_desk_sees_todays_payments_that_did_not_flow(
    logged_in: LoggedIn, ledger: ClinicLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Other tests add payments, and companies with other time zones.
    monkeypatch.setattr(start_page, "ROWS_MAX", 10_000)
    with transaction(ledger.database) as tx:
        today = choosing.current_day(tx, Scope(frozenset({"company"})), datetime.now(UTC))
    page = logged_in(Role.FRONT_OFFICE.value).get("/", day=str(today)).text

    assert f"{CLINIC}/start-out/1" in page
    assert "Not Sent: Charge type not selected" in page


@pytest.mark.usefixtures("_payments_to_work_on")
@pytest.mark.parametrize("user", ["billing", f"billing-of-{CLINIC}"])
def test_counts_of_a_billers_work_lists_equal_their_rows(logged_in: LoggedIn, user: str) -> None:
    browser = logged_in(user)
    tiles = re.findall(
        r'href="(/exceptions[^"]*)"><span class="label">Exceptions:.*?<strong[^>]*>([\d,]+)<', browser.get("/").text
    )

    assert len(tiles) == 4
    for link, figure in tiles:
        path = html.unescape(link)
        assert len(rows(browser, f"/api{path}{'&' if '?' in path else '?'}limit=1000")) == int(figure), link


@pytest.mark.usefixtures("_payments_to_work_on")
def test_ended_months_are_shown_as_ready_to_close_or_overdue(logged_in: LoggedIn) -> None:
    page = logged_in("billing").get("/").text
    today = datetime.now(UTC).date()
    badge = r'badge (?:bad|wait)">(Overdue|Ready to close)<'
    found = re.findall(rf'month=(\d{{4}}-\d\d)">.*?</td><td>(.*?)</td><td>.*?{badge}', page)

    assert found
    for month, _, state in found:
        limit = Month.parse(month).plus(1).first_day + timedelta(days=13)
        assert state == ("Overdue" if today > limit else "Ready to close")
