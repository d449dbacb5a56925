"""What everybody is told: whether a save would flow, what to choose from, what cannot be done; looking is on record."""

import re
from datetime import UTC, date, datetime

import pytest
from fastapi import FastAPI

from console.web.pages import choices
from payments import wording
from payments.access import authentication
from payments.access.authentication import AuditFilter
from payments.contract.event import ChargeType
from payments.core.month import MonthState
from payments.journeys import configuring, eligibility_preview
from payments.journeys.configuring import CompanyUpdate, SettingsUpdate
from payments.store.db.connection import Transaction
from tests.console.web.conftest import Ledger
from tests.console.web.stories import Visitor
from tests.make import patient, saved
from tests.office import Office


def test_viewing_a_patient_is_audited(visitor: Visitor, ledger: Ledger, site: FastAPI) -> None:
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
    with site.state.console.transaction() as tx:
        seen = authentication.read_audit(tx, AuditFilter(who="user:front-office"), 5)

    assert [row.action for row in reversed(seen)] == [
        "viewed account",
        "viewed timeline",
        "viewed Patient Payment Log",
        "viewed Claims Feed",
        "viewed account",
    ]
    assert [row.subject for row in seen].count("p-looked-at") == 4


@pytest.mark.parametrize(
    ("clinic", "charge_type", "day", "expected"),
    [
        ("asking", "Copay", "2026-07-01", (True, None, "OPEN")),
        ("asking", "Copay", "2026-06-05", (True, None, "CLOSED")),
        ("asking", "Supplies", "2026-07-01", (False, "type_not_selected", "OPEN")),
        ("asking", "Supplies", "2026-06-05", (False, "type_not_selected", "CLOSED")),
        ("asking-off", "Copay", "2026-07-01", (False, "integration_off", "OPEN")),
        ("asking-nobody", "Copay", "2026-07-01", (False, "integration_off", "OPEN")),
    ],
)
def test_would_flow_predicts_the_result_of_a_save(
    asking: Visitor, clinic: str, charge_type: str, day: str, expected: tuple[bool, str | None, str]
) -> None:
    answer = asking("front-office").get("/api/would-flow", clinic=clinic, charge_type=charge_type, date=day).json()

    assert (answer["flows"], answer["reason"], answer["month_state"]) == expected
    assert answer["sentence"].startswith("Will be sent" if expected[0] else "Not Sent: ")
    assert ("is closed" in answer["sentence"]) == (expected == (True, None, "CLOSED"))


@pytest.mark.parametrize(
    ("policy", "said"), [("review", "a biller must accept an exception"), ("auto", "posted automatically")]
)
def test_would_flow_in_a_closed_month_follows_company_policy(tx: Transaction, policy: str, said: str) -> None:
    office = Office(tx, date(2026, 6, 10))
    office.close("2026-04")
    configuring.set_company(tx, CompanyUpdate("company", adjustments=policy), now=office.now, who="user:admin")

    seen = eligibility_preview.would_flow(tx, "clinic", ChargeType.COPAY, date(2026, 4, 8), office.now)

    assert (seen.flows, seen.month_state) == (True, MonthState.CLOSED)
    assert said in wording.would_flow(date(2026, 4, 8), seen.month_state, automatic=seen.is_adjusted_automatically)


@pytest.fixture
def asking(visitor: Visitor, ledger: Ledger) -> Visitor:
    """Visitors of a company with a clinic that sends Copays alone, one that is switched off, and a closed June."""
    ledger.office("asking", _copays_and_a_closed_june, ChargeType.COPAY, company_id="company-f")
    return visitor


def _copays_and_a_closed_june(office: Office) -> None:
    wish = SettingsUpdate("asking-off", "company-f", integration=False, charge_types=[ChargeType.COPAY])
    configuring.set_clinic(office.tx, wish, now=datetime.now(UTC), who="user:admin")
    office.tx.exec_driver_sql(
        "INSERT INTO company_months (company_id, month, state) VALUES ('company-f', '2026-06-01', 'CLOSED') "
        "ON CONFLICT DO NOTHING"
    )


@pytest.mark.parametrize(
    ("path", "said_in_words"),
    [
        ("/claims-feed?since=2026-13-01", "since: expected a date such as 2026-10-05"),
        ("/claims-feed?since=x", "since: expected a date such as 2026-10-05"),
        ("/claims-feed?since=1492-10-12", "since: input should be greater than or equal to 1900-01-01"),
        ("/claims-feed?since=2026-02-01&until=2026-01-01", "lies before"),
        ("/claims-feed?status=Sent", "status"),
        ("/claims-feed?after=x", "cannot be found"),
        ("/timeline?payment=a/b/c", "There is no payment a/b/c"),
        ("/account?patient=nobody", "There is no patient nobody"),
        ("/months?company=company&month=13", "expected"),
        ("/requeue-runs/new", "Choose a status"),
        ("/requeue-runs/4711", "There is no such requeue"),
        ("/no-such-page", "This page does not exist"),
    ],
)
def test_invalid_request_explains_the_problem(visitor: Visitor, path: str, said_in_words: str) -> None:
    answer = visitor("admin").get(path)

    assert 400 <= answer.status_code < 500
    assert said_in_words.casefold() in answer.text.casefold()
    assert "Traceback" not in answer.text


NUL = "it holds a NUL character, which PostgreSQL does not store"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/users", "clinics"),
        ("/users", "name"),
        ("/users/change", "clinics"),
        ("/users/disable", "name"),
        ("/users/enable", "name"),
        ("/users/password", "name"),
        ("/exceptions/1/acknowledge", "reason"),
        ("/claims-feed/requeue", "payment"),
        ("/requeue-runs", "find"),
        ("/clinic", "clinic"),
        ("/months/schedule", "company"),
        ("/login", "name"),
    ],
)
def test_form_with_nul_character_names_its_field(visitor: Visitor, path: str, field: str) -> None:
    whole = {"role": "billing", "password": "long enough it is", "version": "1", "name": "new", "status": "Not Sent"}

    answer = visitor("admin").post(path, **whole | {field: "a\0b"})

    assert answer.status_code == 422
    assert f"{field}: {NUL}." in answer.text


@pytest.mark.parametrize(
    ("path", "field", "body"),
    [
        ("/api/claims-feed?clinic=%00", "clinic", None),
        ("/api/timeline?payment=a%00/b/c", "payment", None),
        ("/api/requeue", "payments", {"payments": ["a/b/c", "a\0/b/c"]}),
        ("/api/exceptions/1/acknowledge", "reason", {"version": 1, "reason": "a\0b"}),
    ],
)
def test_api_call_with_nul_character_names_its_field(visitor: Visitor, path: str, field: str, body: object) -> None:
    admin = visitor("admin")

    answer = admin.call(path, body) if body else admin.get(path)

    assert (answer.status_code, answer.json()["error"]) == (422, f"{field}: {NUL}.")


@pytest.mark.parametrize("clinics", ["north, so\nuth", "a" * 65, "north, \u200b"])
def test_user_form_refuses_invalid_clinic_ids(visitor: Visitor, clinics: str) -> None:
    new = {"name": "oddly-limited", "role": "billing", "password": "long enough it is"}

    answer = visitor("admin").post("/users", **new, clinics=clinics)

    assert answer.status_code == 422
    assert "One of the clinic ids is invalid" in answer.text
    assert "oddly-limited" not in visitor("admin").get("/users").text


def test_overview_shows_today_by_default(visitor: Visitor) -> None:
    page = visitor("operator").get("/").text

    assert f"Payments by hour, {datetime.now(UTC).date()}" in page
    assert "<svg" in page
    assert "Flower" in page
    assert "Flower" not in visitor("billing").get("/").text


@pytest.mark.parametrize("path", ["/claims-feed", "/exceptions", "/payment-log", "/balancing"])
def test_clinic_filter_offers_some_names_and_accepts_any(
    visitor: Visitor, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    ledger.imports("zz-last", patient())
    assert '<option value="zz-last">' in visitor("billing").get(path).text

    monkeypatch.setattr(choices, "OFFERED_MAX", 1)
    page = visitor("billing").get(path, clinic="zz-last").text

    assert (
        len(re.findall(r"<option", page.partition('<datalist id="clinic-names">')[2].partition("</datalist>")[0])) == 1
    )
    assert 'name="clinic" value="zz-last"' in page
