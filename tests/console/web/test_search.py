"""The search as a page and as an API call: hits with their states, limited to the user's scope."""

from collections.abc import Callable

import pytest

from config.engines import Engines
from payments.contract.event import ChargeType
from payments.store.db.connection import Database
from tests.builders.committed import ClinicLedger
from tests.builders.events import saved_patient, saved_payment
from tests.console.conftest import Terminal
from tests.console.web.conftest import CLINIC, OTHER_CLINIC, Browser
from tests.console.web.scenarios import rows

pytestmark = pytest.mark.slow

LoggedIn = Callable[[str], Browser]


@pytest.fixture(scope="package", autouse=True)
def payments(ledger_database: Database) -> None:
    """A patient of each clinic. Each has a posted Copay and a payment that is Not Sent."""
    ledger = ClinicLedger(ledger_database)
    for clinic, patient_id, name in ((CLINIC, "srch/1", "Zoë Quartz"), (OTHER_CLINIC, "srch-2", "Zoltan Quartz")):
        here = {"clinic_id": clinic, "patient_id": patient_id}
        ledger.in_office(
            clinic,
            lambda office, here=here, name=name: office.publish(
                saved_patient(here["patient_id"], name=name),
                saved_payment("41.57", payment_id=f"{here['patient_id']}-copay", reference="880017", **here),
                saved_payment("8.43", payment_id="shoes", charge_type="Supplies", **here),
            ),
            ChargeType.COPAY,
        )


def test_search_is_in_the_header_of_every_page(logged_in: LoggedIn) -> None:
    page = logged_in("support").get("/claims-feed").text

    assert 'action="/search"' in page
    assert 'name="q"' in page


def test_patient_is_found_by_a_part_of_the_name_with_payments_and_states(logged_in: LoggedIn) -> None:
    page = logged_in("support").get("/search", q="zoe quar").text

    assert "Zoë Quartz" in page
    assert "Zoltan" not in page
    assert "Transmission Successful" in page
    assert "In Billing" in page
    assert "Not in Billing" in page
    assert "This charge type was not selected" in page


def test_search_without_a_text_shows_the_form(logged_in: LoggedIn) -> None:
    for query in ({}, {"q": ""}):
        page = logged_in("support").get("/search", **query)
        assert page.status_code == 200
        assert "Nothing found" not in page.text


def test_search_without_hits_says_what_to_do_next(logged_in: LoggedIn) -> None:
    page = logged_in("support").get("/search", q="nobody <b>").text

    assert "Nothing found for nobody &lt;b&gt;" in page
    assert "enter a part of the name" in page


@pytest.mark.parametrize(
    ("wanted", "match", "payment"),
    [
        ("880017", "check_number", f"{CLINIC}/srch/1-copay/1"),
        ("$41.57", "amount", f"{CLINIC}/srch/1-copay/1"),
        ("srch/1-copay", "id", f"{CLINIC}/srch/1-copay/1"),
        (f"{CLINIC}/srch/1-copay/1", "id", f"{CLINIC}/srch/1-copay/1"),
    ],
)
def test_api_returns_hits_with_their_match(logged_in: LoggedIn, wanted: str, match: str, payment: str) -> None:
    found = [row for row in rows(logged_in("support-of-north"), "/api/search", q=wanted) if row["match"] == match]

    assert [(row["kind"], row["payment"], row["patient_name"]) for row in found] == [("payment", payment, "Zoë Quartz")]
    assert (found[0]["status"], found[0]["posted"], found[0]["reference"]) == (
        "Transmission Successful",
        "posted",
        "880017",
    )


def test_patient_id_with_a_slash_is_found(logged_in: LoggedIn) -> None:
    """A search text with a slash could also be a part of a printed key."""
    (patient, *_) = rows(logged_in("support"), "/api/search", q="srch/1")

    assert (patient["kind"], patient["match"], patient["patient"], patient["payments"]) == (
        "patient",
        "id",
        "srch/1",
        2,
    )
    assert logged_in("support").get("/claims-feed", find="srch/1").text.count("srch/1-copay") > 0
    assert logged_in("support").get("/account", patient="srch/1").status_code == 200


@pytest.mark.parametrize("wanted", ["Zoltan", "Quartz", "srch-2", "srch-2-copay", "880017", "$41.57", "zoltam"])
def test_limited_user_finds_nothing_of_another_clinic(logged_in: LoggedIn, wanted: str) -> None:
    answers = [logged_in("support-of-north").get(path, q=wanted).text for path in ("/search", "/api/search")]
    everyone = logged_in("support").get("/api/search", q=wanted).text

    assert "srch-2" in everyone
    assert not any("srch-2" in answer.replace(f'value="{wanted}"', "").replace(wanted, "") for answer in answers)
    assert not any("Zoltan" in answer.replace(wanted, "") for answer in answers)


def test_search_is_recorded_in_the_audit_history(logged_in: LoggedIn) -> None:
    logged_in("support").get("/search", q="audited-text")

    assert "audited-text" in logged_in("admin").get("/audit", who="user:support", show="all").text


def test_links_of_hits_open(logged_in: LoggedIn) -> None:
    browser = logged_in("support-of-north")
    for row in rows(browser, "/api/search", q="quartz"):
        if row["kind"] == "patient":
            assert browser.get("/account", patient=row["patient"], company=row["company"]).status_code == 200
        else:
            assert browser.get("/timeline", payment=row["payment"], company=row["company"]).status_code == 200


def test_link_of_a_patient_who_is_unknown_to_billing_opens_for_a_limited_user(
    logged_in: LoggedIn, ledger: ClinicLedger
) -> None:
    """The user may see the payments of the patient, so the link must not end in 404."""
    unknown = {"clinic_id": CLINIC, "patient_id": "never-saved"}
    ledger.import_events(
        saved_payment(payment_id="held", **unknown),
        saved_payment(payment_id="not-sent", charge_type="Supplies", **unknown | {"patient_id": "never-sent"}),
    )
    browser = logged_in("billing-of-north")

    for patient in ("never-saved", "never-sent"):
        assert f"patient={patient}" in browser.get("/claims-feed", find=patient).text
        assert browser.get("/account", patient=patient, company="company").status_code == 200


def test_command_prints_the_hits(
    engines: Engines, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", engines.database_url)
    monkeypatch.setenv("REDIS_URL", engines.redis_url)
    monkeypatch.setenv("COLUMNS", "200")
    terminal = Terminal(capfd)

    shown = terminal.run("search", "zoltan q").out
    found = terminal.run("search", "zoltan q", "--format", "json").rows

    assert "Zoltan Quartz" in shown
    assert "2 payments" in shown
    assert [(row["kind"], row["match"]) for row in found] == [
        ("patient", "name_beginning"),
        *[("payment", "patient")] * 2,
    ]
    assert terminal.run("search", "--company", "another", "zoltan").out.startswith("Nothing found")
