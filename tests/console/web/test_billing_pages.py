"""The biller's pages: accept and acknowledge exceptions, export the log, close months."""

import csv
import io
import re
import zipfile
from datetime import UTC, datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from console.reports.payment_log import PAYMENT_LOG
from payments.contract.event import ChargeType
from payments.journeys import configuring
from payments.journeys.configuring import CompanyUpdate
from payments.store.db.isolation import ALL_COMPANIES
from tests.builders.committed import ClinicLedger
from tests.builders.events import paid, saved_charge, saved_patient, saved_payment
from tests.builders.office import Office
from tests.console.web.scenarios import LoggedIn, audit_rows, edit_in_closed_month, exception_of, flash_message, rows


def test_exception_is_accepted_once_and_only_as_shown(logged_in: LoggedIn, ledger: ClinicLedger, site: FastAPI) -> None:
    clinic = "accepting"
    edit_in_closed_month(ledger, clinic, "company-a")
    billing = logged_in("billing")
    row = exception_of(billing, clinic)
    assert (row["case"], row["amount_before"], row["amount_now"]) == ("edited", "25.00", "35.00")
    page = billing.get("/exceptions", clinic=clinic).text
    assert 'name="version" value="2"' in page

    stale = billing.post(f"/exceptions/{row['id']}/accept", version=1)
    assert stale.status_code == 409
    assert "nothing was posted" in stale.text
    assert exception_of(billing, clinic)["status"] == "open"

    tomorrow = billing.post(f"/exceptions/{row['id']}/accept", version=2, deposit_date="2999-01-01")
    assert tomorrow.status_code == 409
    closed = billing.post(f"/exceptions/{row['id']}/accept", version=2, deposit_date="2026-06-30")
    assert "that month is closed" in closed.text

    for expected in ("posted $10.00 Cash", "was accepted before; nothing was posted"):
        assert billing.post(f"/exceptions/{row['id']}/accept", version=2).status_code == 303
        assert expected in flash_message(billing)
    log = rows(billing, "/api/payment-log", clinic=clinic, kind="adjustment")
    assert [(entry["amount"], entry["user"]) for entry in log] == [("10.00", "user:billing")]
    assert audit_rows(site, "accepted exception")[0].who == "user:billing"


def test_exceptions_are_acknowledged_with_a_reason_and_accepted_together(
    logged_in: LoggedIn, ledger: ClinicLedger
) -> None:
    billing = logged_in("billing")
    for clinic, company in (("agreeing", "company-b"), ("bulk-1", "company-c"), ("bulk-2", "company-d")):
        edit_in_closed_month(ledger, clinic, company)
    number = exception_of(billing, "agreeing")["id"]

    assert billing.post(f"/exceptions/{number}/acknowledge", version=2, reason=" ").status_code == 409
    assert billing.post(f"/exceptions/{number}/acknowledge", version=2, reason="agreed").status_code == 303
    assert rows(billing, "/api/exceptions", clinic="agreeing") == []
    assert rows(billing, "/api/payment-log", clinic="agreeing", kind="adjustment") == []

    ticked = [f"{exception_of(billing, clinic)['id']}.{version}" for clinic, version in (("bulk-1", 2), ("bulk-2", 1))]
    done = billing.post("/exceptions/decide", action="accept", exception=ticked)
    assert "1 of 2 exceptions accepted" in done.text
    assert rows(billing, "/api/exceptions", clinic="bulk-1") == []


@pytest.mark.parametrize("zone", ["Etc/GMT+12", "Pacific/Kiritimati"])
def test_deposit_date_is_prefilled_with_the_companys_current_day(
    logged_in: LoggedIn, ledger: ClinicLedger, site: FastAPI, zone: str
) -> None:
    clinic = f"day-{zone[-8:]}"
    edit_in_closed_month(ledger, clinic, clinic)
    with site.state.console.transaction(ALL_COMPANIES) as tx:
        now = datetime.now(UTC)
        configuring.set_company(tx, CompanyUpdate(clinic, timezone=zone), now=now, who="tests")
    billing = logged_in("billing")
    page = billing.get("/exceptions", clinic=clinic).text
    selected = billing.post("/exceptions/matching", action="accept", back=f"/exceptions?clinic={quote(clinic)}").text

    today = datetime.now(ZoneInfo(zone)).date()
    assert f'name="deposit_date" value="{today}" max="{today}"' in page
    assert f'name="deposit_date" max="{today}"' in selected


def test_account_shows_refunds_to_check_and_the_credit_of_charges(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    own = {"clinic_id": "refunds", "company_id": "company-r", "patient_id": "refunded"}
    events = (
        saved_patient("refunded", company_id="company-r"),
        saved_charge("c", "-3.00", **own),
        saved_payment(payment_id="back", refund_of="refunds/unknown/1", **own, **paid("-25.00", "2026-06-05")),
    )
    ledger.in_office("refunds", lambda office: office.publish(*events), company_id="company-r")
    page = logged_in("billing").get("/account", patient="refunded").text

    assert "Refunds to check" in page
    assert "The refunded payment is not on this account." in page
    assert "Overpayment on charges: $3.00" in page


def test_log_export_contains_no_formulas_and_is_audited(
    logged_in: LoggedIn, ledger: ClinicLedger, site: FastAPI
) -> None:
    clinic = "exports"
    evil = '=HYPERLINK("http://evil.example","x")'
    refund = saved_payment(
        patient_id=evil, clinic_id=clinic, company_id="company-e", refund_of="a/b/1", **paid("-25.00", "2026-06-05")
    )
    known = saved_patient(evil, company_id="company-e")
    ledger.in_office(clinic, lambda office: office.publish(known, refund), company_id="company-e")
    billing = logged_in("billing")

    text = billing.get("/payment-log/export", clinic=clinic, form="csv")
    table = list(csv.DictReader(io.StringIO(text.content.decode("utf-8-sig"))))
    assert [row["patient"] for row in table] == [f"'{evil}"]
    assert [row["amount"] for row in table] == ["-25.00"]

    book = billing.get("/payment-log/export", clinic=clinic, form="xlsx")
    with zipfile.ZipFile(io.BytesIO(book.content)) as parts:
        sheet = parts.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert "HYPERLINK" in sheet
    assert re.findall("<t>([a-z_]+)</t>", sheet)[: len(PAYMENT_LOG.keys)] == list(PAYMENT_LOG.keys)
    assert "<v>-25.00</v>" in sheet
    assert [row.detail.split(";")[0] for row in audit_rows(site, "exported Patient Payment Log")][:2] == [
        "1 rows as xlsx",
        "1 rows as csv",
    ]


def test_months_are_scheduled_cancelled_and_closed_after_confirmation(
    logged_in: LoggedIn, ledger: ClinicLedger
) -> None:
    billing, company = logged_in("billing"), "company-m"
    payment = saved_payment(clinic_id="months", company_id=company, **paid("25.00", "2026-06-05"))
    known = saved_patient(company_id=company)
    ledger.in_office("months", lambda office: office.publish(known, payment), company_id=company)
    june = {"company": company, "month": "2026-06"}

    def month_state() -> str:
        return next(row["state"] for row in rows(billing, "/api/months", company=company) if row["month"] == "2026-06")

    for action, after in (("schedule", "SCHEDULED"), ("cancel", "OPEN")):
        assert billing.post(f"/months/{action}", **june).status_code == 303
        assert month_state() == after
    assert "25.00" in billing.get("/months", **june).text
    assert billing.post("/months/close", **june, confirm="yes").status_code == 422
    assert month_state() == "OPEN"
    assert billing.post("/months/close", **june, confirm="2026-06").status_code == 303
    assert month_state() == "CLOSED"
    assert billing.post("/months/cancel", **june).status_code == 409


def test_balancing_page_counts_unexplained_payments_whose_sum_is_zero(
    logged_in: LoggedIn, ledger: ClinicLedger, site: FastAPI
) -> None:
    here = {"clinic_id": "swapped", "patient_id": "pat-swapped"}
    ledger.set_clinic("swapped", ChargeType.COPAY)
    day = paid("25.00", "2026-06-05")
    ledger.import_events(
        saved_patient("pat-swapped"), *(saved_payment(payment_id=name, **here, **day) for name in "ab")
    )
    # No rule does this: it makes the EMR's side differ from the ledger without an explanation.
    change = (
        "UPDATE lines SET amount_paid = CASE payment_id WHEN 'a' THEN 20.00 ELSE 30.00 END WHERE clinic_id = 'swapped'"
    )
    with site.state.console.transaction(ALL_COMPANIES) as tx:
        tx.execute(text(change))

    period = {"since": "2026-06-01", "until": "2026-06-30", "clinic": "swapped"}
    page = logged_in("billing").get("/balancing", **period).text
    balance = logged_in("billing").get("/api/balancing", **period).json()

    assert "$0.00 unexplained</strong>, on <a" in page
    assert "2 payments</a> whose differences add up to zero" in page
    assert "Unexplained</a> (2 payments)" in page
    assert "Balanced to the cent" not in page
    assert [balance[key] for key in ("unexplained", "equal_lines", "differing_lines", "unexplained_lines")] == [
        *("0.00", 0, 2, 2)
    ]


def test_proposal_of_another_patient_links_to_that_patient(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    clinic, company = "moved", "company-of-moved"
    here = {"clinic_id": clinic, "company_id": company}
    first = saved_payment(**here, **paid("25.00", "2026-06-05"), patient_id="ada/1")
    again = saved_payment(**here, **paid("25.00", "2026-06-05"), patient_id="bea", version=2)

    def work(office: Office) -> None:
        office.publish(saved_patient("ada/1", company_id=company), saved_patient("bea", company_id=company), first)
        office.close_months("2026-06")
        office.publish(again)

    ledger.in_office(clinic, work, company_id=company)

    page = logged_in("billing").get("/exceptions", clinic=clinic).text
    assert 'Cash, patient <a class="key" href="/account?patient=ada%2F1&amp;company=company-of-moved"' in page
    (row,) = rows(logged_in("billing"), "/api/exceptions", clinic=clinic)
    assert [each.get("patient") for each in row["proposal"]] == ["ada/1", None]
