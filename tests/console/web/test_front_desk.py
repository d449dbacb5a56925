"""The pages and the API of the front desk: the payments of a day, a patient's account, and Will it flow."""

import re
from datetime import UTC, datetime

import pytest

from payments.contract.event import ChargeType
from tests.builders.committed import ClinicLedger
from tests.builders.events import event_body, paid, payment_fields, saved_charge, saved_patient, saved_payment
from tests.console.web.scenarios import LoggedIn, page_text


@pytest.fixture
def clinic(ledger: ClinicLedger) -> str:
    """The id of a clinic that sends Copays. June 8 has payments (imported, Not Sent, held, refused), June 9 has one."""
    name, day = "desk", "2026-06-08"
    ledger.in_office(
        name,
        lambda office: office.publish(
            saved_patient("desk-ada", name="Ada Desk"),
            saved_charge("visit", "40.00", clinic_id=name, patient_id="desk-ada", date_of_service="2026-06-01"),
            saved_charge("paid-up", "0.00", clinic_id=name, patient_id="desk-ada"),
        ),
        ChargeType.COPAY,
    )
    here = {"clinic_id": name, "saved_at": datetime.now(UTC).isoformat()}
    today = here | {"patient_id": "desk-ada"}
    ledger.import_events(
        saved_payment(payment_id="cash", **today, **paid("25.00", day)),
        saved_payment(payment_id="check", method="Check", reference="1021", **today, **paid("30.00", day)),
        saved_payment(payment_id="shoes", charge_type="Supplies", **today, **paid("9.00", day)),
        saved_payment(payment_id="early", patient_id="desk-nobody", **here, **paid("15.00", day)),
        saved_payment(payment_id="other-day", **today, **paid("99.00", "2026-06-09")),
        event_body(payment_fields(payment_id="parking", charge_type="Parking", **today, **paid("5.00", day))),
    )
    return name


def test_day_page_has_every_payment_with_its_states_and_sums_by_method(logged_in: LoggedIn, clinic: str) -> None:
    page = logged_in("front-office").get("/today", clinic=clinic, day="2026-06-08")
    text = page_text(page)

    assert re.search(r"Cash 3 \$49\.00 \$25\.00", text)
    assert re.search(r"Check 1 \$30\.00 \$30\.00", text)
    assert re.search(r"Refused: method unknown 1 \$5\.00 \$0\.00", text)
    assert re.search(r"All methods 5 \$84\.00 \$55\.00", text)
    assert "Ada Desk" in text
    assert "1021" in text
    assert "other-day" not in text
    assert "Transmission Pending" in text


def test_api_returns_the_same_payments_of_the_day(logged_in: LoggedIn, clinic: str) -> None:
    rows = logged_in("front-office").get("/api/today", clinic=clinic, day="2026-06-08").json()["rows"]

    assert {(row["payment"].split("/")[1], row["amount"], row["posted"], row["posted_amount"]) for row in rows} == {
        ("cash", "25.00", "posted", "25.00"),
        ("check", "30.00", "posted", "30.00"),
        ("shoes", "9.00", "not_sent", "0.00"),
        ("early", "15.00", "pending", "0.00"),
        ("parking", "5.00", "invalid", "0.00"),
    }


def test_day_page_defaults_to_the_current_day_of_the_clinic(logged_in: LoggedIn, clinic: str) -> None:
    page = logged_in("front-office").get("/today", clinic=clinic)

    assert f'name="day" value="{datetime.now(UTC).date()}"' in page.text
    assert "No payments with this transaction date." in page.text
    assert '<a class="nowrap" href="/today?clinic=desk&amp;day=2026-06-09">2026-06-09</a>' in page.text


def test_day_page_of_a_limited_user_shows_the_own_clinic(logged_in: LoggedIn, clinic: str) -> None:
    limited = logged_in("billing-of-north")

    assert "north, " in page_text(limited.get("/today"))
    assert limited.get("/today", clinic=clinic).status_code == 403


def test_patient_page_shows_charges_owed_and_payments(logged_in: LoggedIn, clinic: str) -> None:
    text = page_text(logged_in("front-office").get("/patient", patient="desk-ada"))

    assert "Ada Desk" in text
    assert re.search(r"2026-06-01 desk visit \$40\.00 Patient balance \$40\.00", text)
    assert "paid-up" not in text
    assert re.search("shoes.*Not Sent", text)
    assert "$25.00" in text


def test_charges_owed_add_up_to_the_balance_of_the_account(logged_in: LoggedIn, clinic: str) -> None:
    desk = logged_in("front-office")
    owed = desk.get("/api/patient", patient="desk-ada").json()["rows"]
    (account,) = desk.get("/api/account", patient="desk-ada").json()["rows"]

    assert [(row["charge"], row["owed"], row["clinic"]) for row in owed] == [("visit", account["balance"], clinic)]


def test_unknown_patient_is_refused(logged_in: LoggedIn) -> None:
    for path in ("/patient", "/api/patient"):
        answer = logged_in("front-office").get(path, patient="nobody-at-all")
        assert (answer.status_code, "There is no patient nobody-at-all." in answer.text) == (404, True)


@pytest.mark.parametrize(
    ("payment", "answer"),
    [
        ({"charge_type": "Copay", "patient": "desk-ada"}, "Will be sent. It is posted with the deposit date"),
        ({"charge_type": "Supplies"}, "Not Sent: Supplies is not selected in the settings of clinic desk."),
        ({"charge_type": "Copay", "patient": "desk-nobody"}, "Will be sent once Billing knows patient desk-nobody."),
        ({"charge_type": "Copay", "paid": "false"}, "Will not be sent: the payment is not marked Paid."),
        ({"charge_type": "Copay", "internal_payment": "true"}, "Not Sent: an Internal Payment stays in the EMR."),
        ({"charge_type": "Copay", "amount_due": "0.00", "amount_paid": "5.00"}, "Will be sent, but not posted"),
    ],
)
def test_front_desk_asks_whether_a_payment_would_flow(
    logged_in: LoggedIn, clinic: str, payment: dict[str, str], answer: str
) -> None:
    text = page_text(logged_in("front-office").get("/will-it-flow", clinic=clinic, **payment))

    assert answer in text


def test_will_it_flow_without_input_shows_the_form_and_no_answer(logged_in: LoggedIn) -> None:
    page = logged_in("front-office").get("/will-it-flow")

    assert page.status_code == 200
    assert 'role="status"' not in page.text


def test_will_it_flow_of_a_limited_user_needs_no_clinic(logged_in: LoggedIn) -> None:
    assert "Will be sent." in page_text(logged_in("billing-of-north").get("/will-it-flow", charge_type="Copay"))


def test_unknown_clinic_is_refused_at_the_front_desk(logged_in: LoggedIn) -> None:
    for path, more in (("/today", {}), ("/api/today", {}), ("/will-it-flow", {"charge_type": "Copay"})):
        answer = logged_in("front-office").get(path, clinic="clnc-001", **more)

        assert (answer.status_code, "There is no clinic clnc-001." in page_text(answer)) == (404, True)
