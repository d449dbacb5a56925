"""The deposit slip of a clinic and a day, as a page to print."""

import re

import pytest

from tests.builders.committed import ClinicLedger
from tests.builders.events import paid, saved_patient, saved_payment
from tests.console.web.scenarios import LoggedIn

pytestmark = pytest.mark.slow


def test_deposit_slip_names_clinic_day_and_totals(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    ids = {"clinic_id": "slip-day", "company_id": "slip-day"}
    events = [saved_payment(payment_id=day, **paid("4.50", day), **ids) for day in ("2026-07-04", "2026-07-05")]
    ledger.in_office(
        "slip-day", lambda office: office.publish(saved_patient(company_id="slip-day"), *events), company_id="slip-day"
    )
    shown = logged_in("billing").get("/deposit-slip", clinic="slip-day", day="2026-07-04").text

    assert "<dd>slip-day</dd>" in shown
    assert "<dd>2026-07-04</dd>" in shown
    assert "<strong>$4.50</strong>, 1 entry" in shown
    assert (
        'href="/deposit-slip?clinic=slip-day&amp;day=2026-07-05"'
        in logged_in("billing").get("/deposit-slip", clinic="slip-day").text
    )


def test_deposit_slip_lists_cash_then_checks_by_number(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    ids = {"clinic_id": "slip", "company_id": "slip"}
    methods = [
        ("Credit Card", None, "9.00"),
        ("Check", "208", "3.00"),
        ("Check", "107", "2.00"),
        ("Cash", None, "1.00"),
    ]
    events = [
        saved_payment(payment_id=f"s-{number}", method=method, reference=check, **paid(amount, "2026-07-04"), **ids)
        for number, (method, check, amount) in enumerate(methods)
    ]
    ledger.in_office(
        "slip", lambda office: office.publish(saved_patient(company_id="slip"), *events), company_id="slip"
    )
    page = logged_in("billing").get("/deposit-slip", clinic="slip", day="2026-07-04").text

    assert re.findall(r"<h2>(.*?)</h2>", page) == ["Cash", "Check", "Credit Card"]
    assert re.findall(r'data-label="Check number">(\d+)', page) == ["107", "208"]
    assert re.findall(r"<strong>(\$[\d.]+)</strong>", page) == ["$6.00", "$15.00"]


def test_deposit_slip_of_an_unknown_clinic_says_so(logged_in: LoggedIn) -> None:
    browser = logged_in("billing")

    assert "There is no clinic clnc-001." in browser.get("/deposit-slip", clinic="clnc-001").text
