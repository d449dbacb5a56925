"""The preview of a payment has the same result as the import of the payment."""

from datetime import date
from typing import Any

import pytest

from payments.contract.event import ChargeType
from payments.contract.money import dollars
from payments.core.month import MonthState
from payments.core.scope import Scope
from payments.flow_wording import flow_answer
from payments.journeys import configuring, eligibility_preview
from payments.journeys.configuring import CompanyUpdate
from payments.journeys.eligibility_preview import PaymentToSave
from payments.store.db.connection import Transaction
from tests.builders.events import saved_patient, saved_payment
from tests.builders.office import Office

CLOSED, OPEN = date(2026, 4, 8), date(2026, 6, 8)
CLINIC_SCOPE = Scope.of_clinics("clinic")
PREVIEWED_PAYMENTS: list[dict[str, Any]] = [
    {"day": day, "charge_type": charge_type, "patient_id": patient} | more
    for day in (OPEN, CLOSED)
    for charge_type in (ChargeType.COPAY, ChargeType.SUPPLIES, ChargeType.PAYMENT_ON_ACCOUNT)
    for patient in ("patient", "nobody")
    for more in (
        {},
        {"amount_due": dollars("0.00")},
        {"amount_due": dollars("0.00"), "amount_paid": dollars("0.00")},
        {"paid": False},
        {"internal_payment": True},
    )
]


@pytest.fixture
def office(tx: Transaction) -> Office:
    """A clinic that sends Copays and Payments on Account, with a closed April."""
    office = Office(tx, date(2026, 6, 10))
    office.set_types(ChargeType.COPAY, ChargeType.PAYMENT_ON_ACCOUNT)
    office.publish(saved_patient())
    office.close_months("2026-04")
    return office


@pytest.mark.parametrize("payment", PREVIEWED_PAYMENTS, ids=str)
def test_preview_equals_the_outcome_of_the_import(office: Office, payment: dict[str, Any]) -> None:
    given = PaymentToSave(**payment)
    preview = eligibility_preview.preview_payment(office.tx, CLINIC_SCOPE, given, office.now)

    office.publish(
        saved_payment(
            patient_id=given.patient_id,
            charge_type=given.charge_type,
            transaction_date=str(given.day),
            amount_due=str(given.amount_due),
            amount_paid=str(given.amount_paid),
            paid=given.paid,
            internal_payment=given.internal_payment,
            saved_at=office.now.isoformat(),
        )
    )
    row = next(iter(office.tx.exec_driver_sql("SELECT status, reason, application FROM lines")))

    assert preview.outcome is not None
    assert (preview.status, preview.reason, preview.outcome.application) == tuple(row)
    posted = office.tx.exec_driver_sql("SELECT count(*) FROM entries").scalar_one()
    assert preview.would_be_posted == bool(posted)


@pytest.mark.parametrize(
    ("policy", "sentence"), [("review", "a biller must accept an exception"), ("auto", "posted automatically")]
)
def test_preview_in_a_closed_month_follows_the_companys_adjustment_policy(
    office: Office, policy: str, sentence: str
) -> None:
    configuring.set_company(office.tx, CompanyUpdate("company", adjustments=policy), now=office.now, who="user:admin")

    preview = eligibility_preview.preview_payment(
        office.tx, CLINIC_SCOPE, PaymentToSave(charge_type=ChargeType.COPAY, day=CLOSED), office.now
    )

    assert (preview.would_be_sent, preview.month_state) == (True, MonthState.CLOSED)
    assert preview.would_be_posted == (policy == "auto")
    assert sentence in flow_answer(preview).sentence


@pytest.mark.parametrize("state", MonthState)
def test_payment_would_be_sent_in_every_month_state(office: Office, state: MonthState) -> None:
    office.tx.exec_driver_sql(
        "INSERT INTO company_months (company_id, month, state) VALUES ('company', '2026-05-01', %(state)s)",
        {"state": state},
    )

    preview = eligibility_preview.preview_payment(
        office.tx, CLINIC_SCOPE, PaymentToSave(charge_type=ChargeType.COPAY, day=date(2026, 5, 4)), office.now
    )

    assert preview.month_state is state
    assert flow_answer(preview).sentence.startswith("Will be sent")
