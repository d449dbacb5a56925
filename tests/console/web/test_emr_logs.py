"""Balancing with an uploaded Payment Log: its preview, the comparison, every term as a link, exports, and refusals."""

import csv
import io
import re

import pytest
from fastapi import FastAPI
from httpx import Response

from console.web import body_limit
from emr.payment_log import REQUIRED_COLUMNS
from payments.store.db.isolation import ALL_COMPANIES
from payments.store.db.statement import text
from tests.builders.committed import ClinicLedger
from tests.builders.events import paid, saved_patient, saved_payment
from tests.console.web.conftest import Browser
from tests.console.web.scenarios import LoggedIn, audit_rows, page_text

LOG_HEADER = "Clinic ID;Payment ID;Line ID;Transaction Date;Amount Paid;Charge Type;Internal Payment;Paid;Till"
WEEK_FILTER = {"since": "2026-06-01", "until": "2026-06-07"}


@pytest.fixture
def week(ledger: ClinicLedger) -> str:
    """A clinic with three payments in Billing, one Not Sent and one internal."""
    here = {"clinic_id": "weekly-log", "patient_id": "weekly-log"}
    ledger.publish(
        "weekly-log",
        saved_patient("weekly-log"),
        *(saved_payment(payment_id=f"same-{n}", **here, **paid("25.00", "2026-06-02")) for n in range(2)),
        saved_payment(payment_id="changed", **here, **paid("25.00", "2026-06-03")),
        saved_payment(payment_id="internal", internal_payment=True, **here, **paid("7.00", "2026-06-04")),
    )
    return "weekly-log"


def log_with_rows(*rows: str) -> bytes:
    return "\n".join([LOG_HEADER, *rows, ""]).encode()


def row(payment: str, amount: str, day: str = "2026-06-02", internal: str = "no") -> str:
    return f"weekly-log;{payment};1;{day};{amount};Copay;{internal};yes;3"


UPLOADED_LOG = log_with_rows(
    row("same-0", "25.00"),
    row("same-1", "25.00"),
    row("changed", "20.00", "2026-06-03"),
    row("internal", "7.00", "2026-06-04", "yes"),
    row("lost", "40.00", "2026-06-05"),
)


def upload(browser: Browser, body: bytes, name: str = "week.csv") -> Response:
    return browser.client.post("/balancing/emr-logs", data={"csrf": browser.csrf}, files={"file": (name, body)})


def upload_and_get_id(browser: Browser, body: bytes) -> str:
    answer = upload(browser, body)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_preview_shows_columns_first_rows_and_the_days_to_compare(logged_in: LoggedIn, week: str) -> None:
    page = logged_in("front-office").client.get(upload_and_get_id(logged_in("front-office"), UPLOADED_LOG))

    assert "5 rows were read" in page_text(page)
    assert "Separator: semicolon. Not used: Till." in page_text(page)
    assert re.search(r"Transaction date\s+Transaction Date", page_text(page))
    assert f"{week}/lost/1" in page.text
    assert 'name="since" value="2026-06-02"' in page.text
    assert f'<option value="{week}" selected>' in page.text


def test_file_with_wrong_rows_is_not_compared_and_each_is_named(logged_in: LoggedIn, week: str) -> None:
    billing = logged_in("billing")
    address = upload_and_get_id(
        billing, log_with_rows(row("a", "25,00"), row("b", "5.00", "02.06.2026"), row("c", "5.00"))
    )
    page = billing.client.get(address)

    assert "2 rows cannot be read." in page_text(page)
    assert re.search(r"2 Amount Paid expected dollars such as 25\.00; got '25,00'", page_text(page))
    assert re.search(r"3 Transaction Date expected a date such as 2026-10-05 ?; got '02\.06\.2026'", page_text(page))
    assert "Compare with Billing" not in page.text
    forced = billing.get("/balancing", log=address.rpartition("/")[2], clinic=week, **WEEK_FILTER)
    assert (forced.status_code, "week.csv: Payment Log, row 2, column amount_paid" in page_text(forced)) == (
        422,
        True,
    )


def test_comparison_finds_the_lost_and_the_changed_payment(logged_in: LoggedIn, week: str) -> None:
    billing = logged_in("billing")
    log_id = upload_and_get_id(billing, UPLOADED_LOG).rpartition("/")[2]
    page = page_text(billing.get("/balancing", log=log_id, clinic=week, **WEEK_FILTER))

    assert "$35.00 unexplained , on 2 payments" in page
    assert "Only in the EMR: 1" in page
    assert "Amount: EMR 20.00, Billing 25.00" in page


@pytest.mark.parametrize(
    ("group", "payments", "amount"),
    [
        ("emr", {"same-0", "same-1", "changed", "internal", "lost"}, "$117.00"),
        ("unexplained", {"changed", "lost"}, "$35.00"),
        ("only_in_emr", {"lost"}, "$40.00"),
        ("different", {"changed"}, "\u2212$5.00"),
        ("internal", {"internal"}, "$7.00"),
        ("not_sent", set(), "$0.00"),
    ],
)
def test_every_balancing_term_links_to_exactly_its_rows(
    logged_in: LoggedIn, week: str, group: str, payments: set[str], amount: str
) -> None:
    billing = logged_in("billing")
    chosen = {
        "log": upload_and_get_id(billing, UPLOADED_LOG).rpartition("/")[2],
        "clinic": week,
        "group": group,
        **WEEK_FILTER,
    }
    page = billing.get("/balancing", **chosen)
    exported = billing.get("/balancing/export", form="csv", **chosen).text
    shown = re.search(r'id="lines".*', page.text, re.DOTALL)
    assert shown

    assert set(re.findall(rf"payment={week}%2F([\w-]+)%2F1", shown[0])) == payments
    assert {line["payment"].split("/")[1] for line in csv.DictReader(io.StringIO(exported[1:]))} == payments
    assert amount in shown[0]


def test_differences_are_exported_as_xlsx_and_recorded(logged_in: LoggedIn, week: str, site: FastAPI) -> None:
    answer = logged_in("billing").get("/balancing/export", form="xlsx", clinic=week, **WEEK_FILTER)

    assert answer.content[:2] == b"PK"
    assert audit_rows(site, "exported Differences between the EMR and Billing")[0].who == "user:billing"
    assert logged_in("front-office").get("/balancing/export", clinic=week).status_code == 403


def test_uploaded_file_is_read_by_its_user_only_and_for_a_day(logged_in: LoggedIn, week: str, site: FastAPI) -> None:
    billing = logged_in("billing")
    address = upload_and_get_id(billing, UPLOADED_LOG)
    other = logged_in("admin")

    assert other.client.get(address).status_code == 404
    assert other.get("/balancing", log=address.rpartition("/")[2]).status_code == 404
    with site.state.console.transaction(ALL_COMPANIES) as tx:
        tx.execute(text("UPDATE uploaded_logs SET uploaded_at = uploaded_at - interval '1 day'"))
    expired = billing.client.get(address)
    assert (expired.status_code, "The uploaded file is no longer kept." in expired.text) == (404, True)


def test_uploaded_file_can_be_deleted_and_five_are_kept(logged_in: LoggedIn) -> None:
    billing = logged_in("support")
    addresses = [upload_and_get_id(billing, UPLOADED_LOG) for _ in range(6)]

    assert [billing.client.get(each).status_code for each in addresses] == [404, *[200] * 5]
    assert billing.post(f"{addresses[-1]}/delete").status_code == 303
    assert billing.client.get(addresses[-1]).status_code == 404


def test_upload_without_csrf_token_is_refused(logged_in: LoggedIn) -> None:
    answer = logged_in("billing").client.post("/balancing/emr-logs", files={"file": ("week.csv", UPLOADED_LOG)})

    assert answer.status_code == 403


def test_too_large_file_is_refused_with_one_clear_line(logged_in: LoggedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    billing = logged_in("billing")
    page = upload(billing, b"x" * (body_limit.FILE_BYTES_MAX + 1))
    far_too_large = upload(billing, b"x" * 3 * body_limit.FILE_BYTES_MAX)
    api = billing.client.post(
        "/api/balancing",
        content=b"x" * 2 * body_limit.FILE_BYTES_MAX,
        headers={"x-csrf-token": billing.csrf, "content-type": "text/csv"},
    )

    assert [each.status_code for each in (page, far_too_large, api)] == [413, 413, 413]
    assert "The file or form is larger than 10 MB." in page.text
    assert "The file or form is larger than 10 MB." in far_too_large.text
    assert api.json()["error"] == "The file or form is larger than 10 MB."


def test_empty_upload_is_refused(logged_in: LoggedIn) -> None:
    assert upload(logged_in("billing"), b"").status_code == 422


def test_file_name_is_shown_as_text(logged_in: LoggedIn) -> None:
    billing = logged_in("billing")
    page = billing.client.get(upload(billing, UPLOADED_LOG, "<script>alert(1)</script>.csv").headers["location"])

    assert "&lt;script&gt;alert(1)&lt;/script&gt;.csv" in page.text


def test_clinic_in_the_file_that_billing_does_not_have_is_named(logged_in: LoggedIn, week: str) -> None:
    billing = logged_in("billing")
    page = billing.client.get(upload_and_get_id(billing, UPLOADED_LOG.replace(week.encode(), b"clnc-001")))

    assert "This clinic is unknown, or not in your account: clnc-001." in page.text


def test_api_compares_a_log_without_storing_it(logged_in: LoggedIn, week: str) -> None:
    billing = logged_in("billing")
    headers = {"x-csrf-token": billing.csrf, "content-type": "text/csv"}
    answer = billing.client.post(
        "/api/balancing", params={"clinic": week, **WEEK_FILTER}, content=UPLOADED_LOG, headers=headers
    )
    wrong = billing.client.post("/api/balancing", params={"clinic": week}, content=b"a,b\n", headers=headers)

    assert (answer.json()["emr_total"], answer.json()["unexplained"]) == ("117.00", "35.00")
    assert [line["payment"] for line in answer.json()["lines"]][:2] == [f"{week}/lost/1", f"{week}/changed/1"]
    assert (wrong.status_code, wrong.json()["error"]) == (
        422,
        f"Payment Log, row 1, column clinic_id: missing; expected a header with {', '.join(REQUIRED_COLUMNS)}.",
    )


def test_api_lists_the_lines_of_a_balancing_term(logged_in: LoggedIn, week: str) -> None:
    rows = logged_in("billing").get("/api/balancing/lines", group="internal", clinic=week, **WEEK_FILTER).json()["rows"]

    assert [(line["payment"], line["internal"]) for line in rows] == [(f"{week}/internal/1", "7.00")]
