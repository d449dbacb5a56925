"""What people do on the pages: requeue, tick a type, work exceptions, take a log away; and what is kept of it."""

import csv
import io
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from fastapi import FastAPI

from payments.core.event import ChargeType
from payments.journeys import admitting
from payments.journeys.admitting import AuditQuery, AuditRow
from tests.console.web.conftest import Browser, Ledger
from tests.make import deleted, patient, saved
from tests.office import Office, paid

Visitor = Callable[[str], Browser]


def said(browser: Browser) -> str:
    return unquote(browser.client.cookies.get("payments_said") or "")


def rows(browser: Browser, path: str, **query: Any) -> list[dict[str, Any]]:
    answer = browser.get(path, **query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["rows"]
    return found


def audited(site: FastAPI, action: str) -> list[AuditRow]:
    with site.state.site.ledger() as tx:
        return admitting.read_audit(tx, AuditQuery(action=action), 1000)


def supplies(clinic: str, payment_id: str) -> Any:
    return saved("9.00", clinic_id=clinic, payment_id=payment_id, charge_type="Supplies")


def leave_out(ledger: Ledger, clinic: str, *payment_ids: str) -> None:
    """Let supplies be saved at a clinic that sends Copays alone."""
    ledger.office(clinic, lambda office: None, ChargeType.COPAY)
    ledger.office(clinic, lambda office: None, ChargeType.COPAY)
    events = [supplies(clinic, each) for each in payment_ids]

    def save(office: Office) -> None:
        office.tx.exec_driver_sql(f"UPDATE clinic_settings SET charge_types = '{{Copay}}' WHERE clinic_id = '{clinic}'")
        office.publish(*events)

    ledger.office(clinic, save, ChargeType.COPAY)


def status_of(browser: Browser, payment: str) -> tuple[str, str | None]:
    (row,) = rows(browser, "/api/claims-feed", find=payment)
    return row["status"], row["reason"]


def test_a_payment_that_was_not_sent_is_requeued_once_from_its_row_and_who_did_it_stays_known(
    visitor: Visitor, ledger: Ledger, site: FastAPI
) -> None:
    leave_out(ledger, "rows", "shoes")
    support = visitor("support")
    page = support.get("/claims-feed", status="Not Sent", clinic="rows").text
    assert 'value="rows/shoes/1"' in page
    assert "This charge type is not selected" in page

    answer = support.post("/claims-feed/requeue", payment="rows/shoes/1", back="/claims-feed?clinic=rows")

    assert answer.headers["location"] == "/claims-feed?clinic=rows"
    assert said(support) == "1 of 1 payments will be judged again."
    assert status_of(support, "rows/shoes/1") == ("Transmission Pending", None)
    timeline = support.get("/timeline", payment="rows/shoes/1").text
    assert "user:support" in timeline
    assert "Re-submitted" in timeline
    assert [(row.who, row.subject) for row in audited(site, "requeued")][:1] == [("user:support", "rows/shoes/1")]


def test_ticking_a_type_offers_what_was_not_sent_for_it_and_a_run_requeues_all_of_it(
    visitor: Visitor, ledger: Ledger
) -> None:
    clinic = "ticking"
    leave_out(ledger, clinic, *(f"shoes-{number}" for number in range(7)))
    support = visitor("support")

    answer = support.post("/clinic", clinic=clinic, integration="on", type=["Copay", "Supplies"])
    offered = support.get(answer.headers["location"]).text
    assert "<strong>7</strong> payments" in offered
    assert "Requeue them" in offered

    choice = {"status": "Not Sent", "reason": "type_not_selected", "clinic": clinic}
    assert "<strong>7</strong>\n payments match" in " ".join(
        support.get("/requeue-runs/new", **choice).text.split(" ")
    ) or ("Requeue 7 payments" in support.get("/requeue-runs/new", **choice).text)
    run = support.post("/requeue-runs", **choice).headers["location"]
    until(lambda: "<strong>7</strong> of 7 payments requeued" in support.get(run).text)
    assert {row["status"] for row in rows(support, "/api/claims-feed", clinic=clinic)} == {"Transmission Pending"}

    ledger.office(clinic, lambda office: office.sweep())
    assert {row["status"] for row in rows(support, "/api/claims-feed", clinic=clinic)} == {"Transmission Successful"}


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def exception_of(browser: Browser, clinic: str) -> dict[str, Any]:
    (row,) = rows(browser, "/api/exceptions", clinic=clinic)
    return row


def closed_month_payment(ledger: Ledger, clinic: str, company: str) -> None:
    """Let a payment of a closed month be edited."""
    first = saved(clinic_id=clinic, company_id=company, **paid("25.00", "2026-06-05"))

    def work(office: Office) -> None:
        office.company_id = company
        office.publish(patient(company_id=company), first)
        office.close("2026-06")
        again = first.model_dump(mode="json", by_alias=True) | {"version": 2, **paid("35.00", "2026-06-05")}
        office.publish(saved(**{name: value for name, value in again.items() if name != "event_id"}))

    with_company(ledger, clinic, company, work)


def with_company(ledger: Ledger, clinic: str, company: str, work: Callable[[Office], None]) -> None:
    from payments.store.session import transaction  # noqa: PLC0415

    now = datetime.now(UTC)
    with transaction(ledger._database) as tx:
        office = Office(tx, now.date(), company, clinic)
        office.now = now
        work(office)


def test_an_exception_is_accepted_as_it_was_shown_once(visitor: Visitor, ledger: Ledger, site: FastAPI) -> None:
    clinic = "accepting"
    closed_month_payment(ledger, clinic, "company-a")
    billing = visitor("billing")
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

    for expected in ("posted 10.00 Cash", "was accepted before; nothing was posted"):
        assert billing.post(f"/exceptions/{row['id']}/accept", version=2).status_code == 303
        assert expected in said(billing)
    log = rows(billing, "/api/payment-log", clinic=clinic, kind="adjustment")
    assert [(entry["amount"], entry["user"]) for entry in log] == [("10.00", "user:billing")]
    assert audited(site, "accepted exception")[0].who == "user:billing"


def test_an_exception_is_acknowledged_with_a_reason_and_ticked_ones_accepted_together(
    visitor: Visitor, ledger: Ledger
) -> None:
    billing = visitor("billing")
    for clinic, company in (("agreeing", "company-b"), ("bulk-1", "company-c"), ("bulk-2", "company-d")):
        closed_month_payment(ledger, clinic, company)
    number = exception_of(billing, "agreeing")["id"]

    assert billing.post(f"/exceptions/{number}/acknowledge", version=2, reason=" ").status_code == 409
    assert billing.post(f"/exceptions/{number}/acknowledge", version=2, reason="agreed").status_code == 303
    assert rows(billing, "/api/exceptions", clinic="agreeing") == []
    assert rows(billing, "/api/payment-log", clinic="agreeing", kind="adjustment") == []

    ticked = [f"{exception_of(billing, clinic)['id']}.{version}" for clinic, version in (("bulk-1", 2), ("bulk-2", 1))]
    billing.post("/exceptions/accept", exception=ticked)
    assert said(billing).startswith("1 of 2 exceptions accepted.")
    assert rows(billing, "/api/exceptions", clinic="bulk-1") == []


def test_a_log_is_taken_away_without_formulas_and_that_is_on_record(
    visitor: Visitor, ledger: Ledger, site: FastAPI
) -> None:
    clinic = "exports"
    evil = '=HYPERLINK("http://evil.example","x")'
    with_company(
        ledger, clinic, "company-e", lambda office: _import(office, patient(evil, company_id="company-e"), evil, clinic)
    )
    billing = visitor("billing")

    text = billing.get("/payment-log/export", clinic=clinic, form="csv")
    table = list(csv.DictReader(io.StringIO(text.content.decode("utf-8-sig"))))
    assert [row["patient"] for row in table] == [f"'{evil}"]
    assert [row["amount"] for row in table] == ["-25.00"]

    book = billing.get("/payment-log/export", clinic=clinic, form="xlsx")
    with zipfile.ZipFile(io.BytesIO(book.content)) as parts:
        sheet, strings = (parts.read(f"xl/{name}.xml").decode() for name in ("worksheets/sheet1", "sharedStrings"))
    assert "<f>" not in sheet
    assert "HYPERLINK" in strings
    assert "<v>-25</v>" in sheet
    assert [row.detail.split(";")[0] for row in audited(site, "exported Patient Payment Log")][:2] == [
        "1 rows as xlsx",
        "1 rows as csv",
    ]


def _import(office: Office, known: Any, patient_id: str, clinic: str) -> None:
    refund = saved(
        patient_id=patient_id,
        clinic_id=clinic,
        company_id="company-e",
        refund_of="exports/x/1",
        **paid("-25.00", "2026-06-05"),
    )
    office.publish(known, refund)


def test_months_are_scheduled_cancelled_and_closed_once_their_name_is_typed(visitor: Visitor, ledger: Ledger) -> None:
    billing, company = visitor("billing"), "company-m"
    payment = saved(clinic_id="months", company_id=company, **paid("25.00", "2026-06-05"))
    with_company(ledger, "months", company, lambda office: office.publish(patient(company_id=company), payment))
    june = {"company": company, "month": "2026-06"}

    def state() -> str:
        return next(row["state"] for row in rows(billing, "/api/months", company=company) if row["month"] == "2026-06")

    for action, after in (("schedule", "SCHEDULED"), ("cancel", "OPEN")):
        assert billing.post(f"/months/{action}", **june).status_code == 303
        assert state() == after
    assert "25.00" in billing.get("/months", **june).text
    assert billing.post("/months/close", **june, confirm="yes").status_code == 422
    assert state() == "OPEN"
    assert billing.post("/months/close", **june, confirm="2026-06").status_code == 303
    assert state() == "CLOSED"
    assert billing.post("/months/cancel", **june).status_code == 409


def test_looking_at_a_patient_is_on_record(visitor: Visitor, ledger: Ledger, site: FastAPI) -> None:
    ledger.imports("looks", patient("p-looked-at"), saved(clinic_id="looks", patient_id="p-looked-at"))
    front = visitor("front-office")

    for path, query in (
        ("/account", {"patient": "p-looked-at"}),
        ("/timeline", {"payment": "looks/payment/1"}),
        ("/payment-log", {"patient": "p-looked-at"}),
        ("/claims-feed", {"find": "p-looked-at"}),
        ("/api/account", {"patient": "p-looked-at"}),
    ):
        assert front.get(path, **query).status_code == 200
    with site.state.site.ledger() as tx:
        seen = admitting.read_audit(tx, AuditQuery(who="user:front-office"), 5)

    assert [row.action for row in reversed(seen)] == [
        "viewed account",
        "viewed timeline",
        "viewed Patient Payment Log",
        "viewed Claims Feed",
        "viewed account",
    ]
    assert [row.subject for row in seen].count("p-looked-at") == 4


@pytest.mark.parametrize(
    ("clinic", "charge_type", "day", "flows", "reason", "month_state"),
    [
        ("asking", "Copay", "2026-07-01", True, None, "OPEN"),
        ("asking", "Copay", "2026-06-05", True, None, "CLOSED"),
        ("asking", "Supplies", "2026-07-01", False, "type_not_selected", "OPEN"),
        ("asking-off", "Copay", "2026-07-01", False, "integration_off", "OPEN"),
        ("asking-nobody", "Copay", "2026-07-01", False, "integration_off", "OPEN"),
    ],
)
def test_an_emr_hears_before_the_save_whether_it_would_flow(
    visitor: Visitor,
    ledger: Ledger,
    clinic: str,
    charge_type: str,
    day: str,
    flows: bool,
    reason: str | None,
    month_state: str,
) -> None:
    with_company(ledger, "asking", "company-f", _copays_and_a_closed_june)

    answer = visitor("front-office").get("/api/would-flow", clinic=clinic, charge_type=charge_type, date=day).json()

    assert {**answer, "sentence": ...} == {
        "flows": flows,
        "reason": reason,
        "month_state": month_state,
        "sentence": ...,
    }
    assert ("is closed" in answer["sentence"]) == (month_state == "CLOSED")


def _copays_and_a_closed_june(office: Office) -> None:
    from payments.journeys import configuring  # noqa: PLC0415
    from payments.journeys.configuring import Wish  # noqa: PLC0415

    for clinic, switch in (("asking", True), ("asking-off", False)):
        wish = Wish(clinic, "company-f", integration=switch, charge_types=[ChargeType.COPAY])
        configuring.set_clinic(office.tx, wish, now=datetime.now(UTC), who="user:admin")
    office.tx.exec_driver_sql(
        "INSERT INTO company_months (company_id, month, state) VALUES ('company-f', '2026-06-01', 'CLOSED') "
        "ON CONFLICT DO NOTHING"
    )


def test_a_feed_is_read_page_by_page_with_nothing_twice_and_nothing_left_out(visitor: Visitor, ledger: Ledger) -> None:
    clinic = "paging"
    moments = [f"2026-06-05T{10 + number // 3:02}:00:00+00:00" for number in range(11)]
    events = [
        saved(clinic_id=clinic, payment_id=f"p{number:02}", saved_at=moment) for number, moment in enumerate(moments)
    ]
    gone = deleted(clinic_id=clinic, payment_id="p03", version=2, saved_at="2026-06-05T20:00:00+00:00")
    conflict = b'{"clinic_id": "paging", "payment_id": "odd", "line_id": "1", "version": 1}'
    ledger.imports(clinic, patient(), *events, gone, conflict)
    billing = visitor("billing")

    seen, after = [], None
    while True:
        answer = billing.get("/api/claims-feed", clinic=clinic, limit=3, **({"after": after} if after else {})).json()
        seen += [row["payment"] for row in answer["rows"]]
        after = answer["next"]
        if after is None:
            break

    whole = [row["payment"] for row in rows(billing, "/api/claims-feed", clinic=clinic, limit=100)]
    assert seen == whole
    assert sorted(seen) == sorted([f"{clinic}/p{number:02}/1" for number in range(11)] + [f"{clinic}/odd/1"])
    assert seen[1] == f"{clinic}/p03/1"
    assert rows(billing, "/api/claims-feed", clinic=clinic, amount="0.00")[0]["payment"] == f"{clinic}/p03/1"


@pytest.mark.parametrize(
    ("path", "said_in_words"),
    [
        ("/claims-feed?since=2026-13-01", "since"),
        ("/claims-feed?since=2026-02-01&until=2026-01-01", "lies before"),
        ("/claims-feed?status=Sent", "status"),
        ("/claims-feed?after=x", "cannot be found"),
        ("/timeline?payment=a/b/c", "No payment is known as a/b/c"),
        ("/account?patient=nobody", "No patient is known as nobody"),
        ("/months?company=company&month=13", "expected"),
        ("/requeue-runs/new", "Choose which payments"),
        ("/requeue-runs/4711", "There is no such run"),
        ("/no-such-page", "There is no such page"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence_with_the_next_step(
    visitor: Visitor, path: str, said_in_words: str
) -> None:
    answer = visitor("admin").get(path)

    assert 400 <= answer.status_code < 500
    assert said_in_words.casefold() in answer.text.casefold()
    assert "Traceback" not in answer.text


def test_today_is_what_the_overview_shows_first(visitor: Visitor) -> None:
    page = visitor("operator").get("/").text

    assert f"Flow of {date.today()}" in page or f"Flow of {datetime.now(UTC).date()}" in page
    assert "<svg" in page
    assert "Flower" in page
    assert "Flower" not in visitor("billing").get("/").text
