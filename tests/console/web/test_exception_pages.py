"""The pages of the work queue of exceptions: one exception, its row in the list, several exceptions, and notes."""

import html
import re

from httpx import Response

from payments.contract.event import ChargeType
from tests.builders.committed import ClinicLedger
from tests.builders.events import paid, saved_patient, saved_payment
from tests.builders.office import Office
from tests.console.web.conftest import Browser
from tests.console.web.scenarios import LoggedIn, edit_in_closed_month, exception_of, flash_message, page_text, rows


def open_exception(browser: Browser, ledger: ClinicLedger, name: str) -> int:
    """Return the id of a new exception. Its clinic and its company have the name `name`."""
    edit_in_closed_month(ledger, name, name)
    return int(exception_of(browser, name)["id"])


def post_as_htmx(browser: Browser, path: str, **fields: object) -> Response:
    """Submit a form as htmx does."""
    return browser.client.post(path, data={"csrf": browser.csrf, **fields}, headers={"hx-request": "true"})


def test_decision_returns_the_updated_row_with_an_undo_form(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    billing = logged_in("billing")
    number = open_exception(billing, ledger, "in-place")
    address = f"/exceptions/{number}"

    accepted = post_as_htmx(billing, f"{address}/accept", version=2, back="/exceptions?clinic=in-place").text
    again = post_as_htmx(billing, f"{address}/accept", version=2, back="/exceptions?clinic=in-place").text

    for row in (accepted, again):
        assert row.strip().startswith(f'<tr id="exception-{number}" class="done">')
        assert "Posted" in row
        assert "$10.00" in row
        assert "Undo" in row
        assert f'action="{address}/accept"' not in row
    assert len(rows(billing, "/api/payment-log", clinic="in-place", kind="adjustment")) == 1
    decided_at = re.search(r'name="decided_at" value="([^"]+)"', accepted)
    assert decided_at is not None
    undone = post_as_htmx(
        billing, f"{address}/undo", reason="a mistake", decided_at=decided_at[1], back="/exceptions"
    ).text
    assert f'action="{address}/accept"' in undone
    assert exception_of(billing, "in-place")["status"] == "open"


def test_row_shows_why_a_decision_was_refused(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    billing = logged_in("billing")
    number = open_exception(billing, ledger, "refused-in-place")

    refused = post_as_htmx(billing, f"/exceptions/{number}/accept", version=1, back="/exceptions")

    assert refused.status_code == 200
    assert "you saw version 1 of the payment and it is at 2 now; nothing was posted" in refused.text
    assert exception_of(billing, "refused-in-place")["status"] == "open"


def test_list_without_scripts_keeps_the_decided_row(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    billing = logged_in("billing")
    number = open_exception(billing, ledger, "kept")

    answer = billing.post(f"/exceptions/{number}/accept", version=2, back="/exceptions?clinic=kept")

    assert answer.headers["location"] == f"/exceptions?clinic=kept&kept={number}#exception-{number}"
    page = billing.get(answer.headers["location"].partition("#")[0]).text
    assert f'<tr id="exception-{number}" class="done">' in page
    assert "Posted" in page
    assert f"exception-{number}" not in billing.get("/exceptions", clinic="kept").text


def test_decided_exception_still_has_its_page(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    billing = logged_in("billing")
    number = open_exception(billing, ledger, "whole-life")
    address = f"/exceptions/{number}"
    billing.post(f"{address}/note", text="Called the clinic.", back=address)
    billing.post(f"{address}/assign", owner="billing", back=address)
    billing.post(f"{address}/accept", version=2, back=address)
    billing.post(f"{address}/undo", reason="wrong payment", back=address)
    billing.post(f"{address}/acknowledge", version=2, reason="agreed with the patient", back=address)

    page = page_text(billing.get(address))

    for text in (
        "Billing: $25.00, EMR: $35.00",
        *("Exception opened", "Exception assigned", "Exception accepted", "Acceptance undone", "wrong payment"),
        *("Exception acknowledged", "agreed with the patient", "Called the clinic.", "Owner billing"),
    ):
        assert text in page
    timeline = billing.get("/timeline", payment="whole-life/payment/1").text
    assert f'href="{address}"' in timeline
    assert "Called the clinic." in timeline
    assert "$25.00 Cash Copay" in timeline
    log = page_text(billing.get("/payment-log", clinic="whole-life"))
    reversal, reversed_entry = re.findall(r"Adjustment entry (\d+)", log)
    assert re.search(rf"entry {reversal} , reverses entry {reversed_entry} : wrong payment", log)


def test_histories_name_the_work_and_show_the_worker_to_operators_only(
    logged_in: LoggedIn, ledger: ClinicLedger
) -> None:
    number = open_exception(logged_in("billing"), ledger, "who-acted")
    shown = {
        name: [
            page_text(logged_in(name).get("/timeline", payment="who-acted/payment/1")),
            page_text(logged_in(name).get(f"/exceptions/{number}")),
        ]
        for name in ("billing", "admin")
    }

    timeline, exception = shown["billing"]
    assert "Imported" in timeline
    assert all(work in timeline for work in (" Import ", " Exception check "))
    assert " Exception check " in exception
    assert not any(name in page for page in shown["billing"] for name in ("importer-1", "backoffice-1"))
    assert all(name in shown["admin"][0] for name in ("importer-1", "backoffice-1"))
    assert "backoffice-1" in shown["admin"][1]


def test_exception_page_shows_payment_and_patient_once(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    number = open_exception(logged_in("billing"), ledger, "once")

    page = logged_in("billing").get(f"/exceptions/{number}").text

    assert page.count('href="/timeline?payment=once%2Fpayment%2F1') == 1
    assert page.count('href="/account?patient=') == 1


def test_next_opens_an_unassigned_exception_of_the_list(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    billing = logged_in("billing")
    number = open_exception(billing, ledger, "next-page")

    first = billing.post("/exceptions/next", back="/exceptions?clinic=next-page")
    second = billing.post("/exceptions/next", back="/exceptions?clinic=next-page")

    assert (first.status_code, first.headers["location"]) == (303, f"/exceptions/{number}")
    assert second.headers["location"] == "/exceptions?clinic=next-page"
    assert "No exceptions without an owner are left in this list." in flash_message(billing)
    mine = billing.get("/exceptions", clinic="next-page", work="mine").text
    assert f"exception-{number}" in mine


def test_tabs_separate_exceptions_that_propose_nothing(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    billing = logged_in("billing")
    first = saved_payment(clinic_id="tabs", company_id="tabs", **paid("25.00", "2026-06-05"))
    again = saved_payment(clinic_id="tabs", company_id="tabs", **paid("30.00", "2026-06-05"))

    def conflict(office: Office) -> None:
        office.publish(saved_patient(company_id="tabs"), first, again)

    ledger.in_office("tabs", conflict, ChargeType.COPAY, company_id="tabs")
    number = exception_of(billing, "tabs")["id"]

    assert f"exception-{number}" not in billing.get("/exceptions", clinic="tabs", queue="to_post").text
    assert f"exception-{number}" in billing.get("/exceptions", clinic="tabs", queue="nothing_to_post").text
    filtered = billing.get("/exceptions", clinic="tabs", patient="nobody", since="2026-06-01").text
    tabs = re.findall(r'href="(/exceptions\?[^"]+)"[^>]*>[^<]+<span class="badge calm">(\d+)<', filtered)
    counts = [len(rows(billing, f"/api{html.unescape(link)}")) for link, _ in tabs]
    assert counts == [int(count) for _, count in tabs] == [1, 0, 1, 0, 1, 0]


def test_bulk_decision_asks_for_confirmation_and_reports_each_exception(
    logged_in: LoggedIn, ledger: ClinicLedger
) -> None:
    billing = logged_in("billing")
    numbers = [open_exception(billing, ledger, name) for name in ("several-1", "several-2")]
    chosen = [f"{number}.2" for number in numbers]

    confirm = page_text(billing.post("/exceptions/selected", exception=chosen, action="accept"))
    assert "Accept 2 exceptions?" in confirm
    assert "$20.00" in confirm
    assert "2 entries" in confirm
    billing.post(f"/exceptions/{numbers[0]}/acknowledge", version=2, reason="agreed")
    result = page_text(billing.post("/exceptions/decide", exception=chosen, action="accept"))

    assert "1 of 2 exceptions accepted" in result
    assert f"Exception {numbers[0]} several-1 / payment/1 Skipped It was already acknowledged." in result
    assert "Accepted Accepted: posted $10.00 Cash with deposit date" in result
    assert rows(billing, "/api/exceptions", clinic="several-2") == []


def test_all_matching_exceptions_are_assigned_after_a_confirmation(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    billing = logged_in("billing")
    number = open_exception(billing, ledger, "all-of-them")

    confirm = billing.post("/exceptions/matching", action="assign", back="/exceptions?clinic=all-of-them")
    assert "Assign 1 exception?" in page_text(confirm)
    assert f'name="exception" value="{number}.2"' in confirm.text
    billing.post("/exceptions/decide", exception=f"{number}.2", action="assign", owner="admin")

    assert exception_of(billing, "all-of-them")["owner"] == "admin"
    refused = billing.post("/exceptions/decide", exception=f"{number}.2", action="assign", owner="support")
    assert "There is no active user support who may decide exceptions" in refused.text


def test_notes_are_on_the_pages_of_payments_and_accounts(logged_in: LoggedIn, ledger: ClinicLedger) -> None:
    desk = logged_in("front-office")
    open_exception(logged_in("billing"), ledger, "page-notes")
    account = "/account?patient=patient&company=page-notes"

    desk.post(
        "/notes", payment="page-notes/payment/1", text="check bounced", back="/timeline?payment=page-notes/payment/1"
    )
    noted = desk.post("/notes", patient="patient", company="page-notes", text="moved to <b>Boise</b>", back=account)

    assert noted.headers["location"] == account
    assert "check bounced" in desk.get("/timeline", payment="page-notes/payment/1").text
    assert "moved to &lt;b&gt;Boise&lt;/b&gt;" in desk.get(account).text
