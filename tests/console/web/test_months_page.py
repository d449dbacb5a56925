"""The Months page: the selected month, the notes on closed months, and the company's time zone."""

from datetime import UTC, date, datetime

from payments.journeys import configuring
from payments.journeys.configuring import CompanyUpdate
from payments.store.db.connection import transaction
from tests.builders.committed import ClinicLedger
from tests.builders.events import paid, saved_patient, saved_payment
from tests.builders.office import Office
from tests.console.web.scenarios import LoggedIn


def test_months_page_selects_the_next_month_to_close(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    company = "company-order"
    payments = (
        saved_payment(clinic_id="order", company_id=company, payment_id=day, **paid("25.00", day))
        for day in ("2026-05-05", "2026-06-05")
    )
    ledger.in_office(
        "order", lambda office: office.publish(saved_patient(company_id=company), *payments), company_id=company
    )
    billing = logged_in("billing")

    assert "Close 2026-05 permanently" in billing.get("/months", company=company).text
    blocked = billing.get("/months", company=company, month="2026-06").text
    assert "Cannot be closed yet: close 2026-05 first." in blocked
    assert f'href="/months?company={company}&amp;month=2026-05">Go to 2026-05' in blocked
    billing.post("/months/close", company=company, month="2026-05", confirm="2026-05")
    closed = billing.get("/months", company=company, month="2026-05").text
    assert "Closed with a payments total of <strong>$25.00</strong>. The ledger still matches it." in closed
    for earlier in ("2026-04", "2019-12"):
        page = billing.get("/months", company=company, month=earlier).text
        assert "Cannot be closed: it is locked, because 2026-05, a later month, is closed." in page
        assert "Resolve before closing" not in page


def test_months_page_says_how_to_choose_a_time_zone(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    with transaction(ledger.database) as tx:
        Office(tx, date(2026, 6, 10), "zoneless", "zoneless")
    billing = logged_in("billing")

    page = billing.get("/months", company="zoneless").text
    assert "No time zone was chosen for company zoneless; its days and months follow the time zone UTC." in page
    assert "Ask an administrator to choose one on the page Company settings." in page
    with transaction(ledger.database) as tx:
        update = CompanyUpdate("zoneless", timezone="UTC")
        configuring.set_company(tx, update, now=datetime.now(UTC), who="user:admin")
    assert "No time zone" not in billing.get("/months", company="zoneless").text
