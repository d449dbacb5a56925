"""The preview `/api/would-flow` says whether a save would be sent, and if not, why."""

from datetime import UTC, date, datetime

import pytest

from payments import wording
from payments.contract.event import ChargeType
from payments.core.month import MonthState
from payments.core.scope import Scope
from payments.journeys import configuring, eligibility_preview
from payments.journeys.configuring import CompanyUpdate, SettingsUpdate
from payments.store.db.connection import Transaction
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
        ("preview-unknown", "Copay", "2026-07-01", (False, "integration_off", "OPEN")),
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
    ("policy", "sentence"), [("review", "a biller must accept an exception"), ("auto", "posted automatically")]
)
def test_would_flow_in_a_closed_month_follows_company_policy(tx: Transaction, policy: str, sentence: str) -> None:
    office = Office(tx, date(2026, 6, 10))
    office.close_months("2026-04")
    configuring.set_company(tx, CompanyUpdate("company", adjustments=policy), now=office.now, who="user:admin")

    preview = eligibility_preview.preview_payment(
        tx, Scope.of_clinics("clinic"), ChargeType.COPAY, date(2026, 4, 8), office.now
    )

    assert (preview.would_be_sent, preview.month_state) == (True, MonthState.CLOSED)
    assert sentence in wording.transmission_preview(
        date(2026, 4, 8), preview.month_state, automatic=preview.is_adjusted_automatically
    )


@pytest.fixture
def log_in_to_preview(logged_in: LoggedIn, ledger: ClinicLedger) -> LoggedIn:
    """A function that logs in, after a company with two clinics and a closed June was set up for the preview.

    One clinic sends Copays only, and the other is switched off.
    """
    ledger.office("preview", _switch_off_a_clinic_and_close_june, ChargeType.COPAY, company_id="company-f")
    return logged_in


def _switch_off_a_clinic_and_close_june(office: Office) -> None:
    update = SettingsUpdate("preview-off", "company-f", integration=False, charge_types=[ChargeType.COPAY])
    configuring.set_clinic(office.tx, update, now=datetime.now(UTC), who="user:admin")
    office.tx.exec_driver_sql(
        "INSERT INTO company_months (company_id, month, state) VALUES ('company-f', '2026-06-01', 'CLOSED') "
        "ON CONFLICT DO NOTHING"
    )
