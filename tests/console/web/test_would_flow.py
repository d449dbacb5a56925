"""The preview `/api/would-flow` says whether a saved payment would be sent, and the reason if not."""

from datetime import UTC, datetime

import pytest

from payments.contract.event import ChargeType
from payments.journeys import configuring
from payments.journeys.configuring import SettingsUpdate
from tests.builders.committed import ClinicLedger
from tests.builders.office import Office
from tests.console.web.scenarios import LoggedIn


@pytest.mark.parametrize(
    ("clinic", "charge_type", "day", "expected"),
    [
        ("preview", "Copay", "2026-07-01", (True, None, "OPEN")),
        ("preview", "Copay", "2026-06-05", (True, None, "CLOSED")),
        ("preview", "Supplies", "2026-07-01", (False, "type_not_selected", "OPEN")),
        ("preview", "Supplies", "2026-06-05", (False, "type_not_selected", "CLOSED")),
        ("preview-off", "Copay", "2026-07-01", (False, "integration_off", "OPEN")),
    ],
)
def test_would_flow_predicts_the_result_of_a_save(
    log_in_to_preview: LoggedIn, clinic: str, charge_type: str, day: str, expected: tuple[bool, str | None, str]
) -> None:
    answer = (
        log_in_to_preview("front-office")
        .get("/api/would-flow", clinic=clinic, charge_type=charge_type, date=day)
        .json()
    )

    assert (answer["flows"], answer["reason"], answer["month_state"]) == expected
    assert answer["sentence"].startswith("Will be sent" if expected[0] else "Not Sent: ")
    assert ("is closed" in answer["sentence"]) == (expected == (True, None, "CLOSED"))


@pytest.mark.parametrize(
    ("changes", "expected", "begins", "next_step"),
    [
        (
            {},
            (True, True, None),
            "Will be sent. It is posted with the deposit date 2026-07-01.",
            "assumes that the patient is in",
        ),
        ({"patient": "patient"}, (True, True, None), "Will be sent. It is posted", None),
        (
            {"patient": "nobody"},
            (True, False, None),
            "Will be sent once Billing knows patient nobody.",
            "Save the patient",
        ),
        (
            {"amount_due": "0.00", "amount_paid": "5"},
            (True, False, None),
            "Will be sent, but not posted:",
            "Amount Due",
        ),
        ({"amount_due": "0.00", "amount_paid": "0.00"}, (True, False, None), "Will be sent. The amount is 0.00", None),
        ({"paid": "false"}, (False, False, None), "Will not be sent: the payment is not marked Paid.", "Mark it Paid"),
        ({"internal_payment": "true"}, (False, False, "internal_payment"), "Not Sent: an Internal", "without the mark"),
        (
            {"amount_paid": "-5"},
            (False, False, "invalid_event"),
            "Validation Failed: amount_paid: negative",
            "Correct it",
        ),
        (
            {"date": "2026-06-05"},
            (True, False, None),
            "Will be sent. 2026-06 is closed",
            "Check that the date 2026-06-05",
        ),
        ({"charge_type": "Supplies"}, (False, False, "type_not_selected"), "Not Sent: Supplies", "ask support"),
    ],
)
def test_would_flow_names_outcome_and_next_step(
    log_in_to_preview: LoggedIn,
    changes: dict[str, str],
    expected: tuple[bool, bool, str | None],
    begins: str,
    next_step: str | None,
) -> None:
    asked = {"clinic": "preview", "charge_type": "Copay", "date": "2026-07-01"} | changes
    answer = log_in_to_preview("front-office").get("/api/would-flow", **asked).json()

    assert (answer["flows"], answer["posted"], answer["reason"]) == expected
    assert answer["sentence"].startswith(begins)
    assert (next_step or "") in (answer["next"] or "")
    assert (answer["next"] is None) == (next_step is None)


def test_would_flow_of_an_unknown_clinic_is_refused(log_in_to_preview: LoggedIn) -> None:
    answer = log_in_to_preview("front-office").get(
        "/api/would-flow", clinic="clnc-001", charge_type="Copay", date="2026-07-01"
    )

    assert (answer.status_code, answer.json()["error"]) == (404, "There is no clinic clnc-001.")


@pytest.fixture
def log_in_to_preview(logged_in: LoggedIn, ledger: ClinicLedger) -> LoggedIn:
    """The function that logs a user in. Before it is returned, a company with two clinics and a closed June is added.

    One clinic sends Copays only. The integration of the other is off.
    """
    ledger.in_office("preview", _switch_off_a_clinic_and_close_june, ChargeType.COPAY, company_id="company-f")
    return logged_in


def _switch_off_a_clinic_and_close_june(office: Office) -> None:
    update = SettingsUpdate("preview-off", "company-f", integration=False, charge_types=[ChargeType.COPAY])
    configuring.set_clinic(office.tx, update, now=datetime.now(UTC), who="user:admin")
    office.tx.exec_driver_sql(
        "INSERT INTO company_months (company_id, month, state) VALUES ('company-f', '2026-06-01', 'CLOSED') "
        "ON CONFLICT DO NOTHING"
    )
