"""Preview what Billing would do with a payment that is not saved in the EMR yet.

The payment is validated by the event contract and evaluated by the import rule, as an event would be.
"""

import json
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from payments.contract.errors import EventError
from payments.contract.event import ChargeType, Method, PaymentSaved, read_event
from payments.contract.money import Money
from payments.core import import_rule
from payments.core.ambiguity import AmbiguousIdError
from payments.core.flow_preview import FlowPreview
from payments.core.import_rule import ImportContext
from payments.core.outcome import NotSent, Reason
from payments.core.scope import Scope
from payments.store.db.connection import Transaction
from payments.store.ledger import clinics, months, patients
from payments.store.ledger.clinics import Clinic

_ONE_DOLLAR = Money("1.00")
_RETRY_SCHEDULE = (timedelta(minutes=15),)
"""One retry delay, so that a payment that must wait gets the outcome Held. The length of the delay is not shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentToSave:
    """A payment as the front desk would save it. Amounts are in dollars.

    If `patient_id` is None, the patient counts as known.
    """

    charge_type: ChargeType
    day: date
    amount_due: Money = _ONE_DOLLAR
    amount_paid: Money = _ONE_DOLLAR
    paid: bool = True
    internal_payment: bool = False
    patient_id: str | None = None


def preview_payment(tx: Transaction, scope: Scope, payment: PaymentToSave, now: datetime) -> FlowPreview:
    """Return the outcome that this payment would have if it were saved now.

    `scope` must be limited to one clinic id: the clinic of the payment. For a retired clinic, or one that Billing does
    not have, the outcome is Not Sent with the reason UNKNOWN_CLINIC. Raises AmbiguousIdError if several companies of
    the scope have the clinic.
    """
    clinic_id = scope.only_clinic or ""
    preview = FlowPreview(
        clinic_id=clinic_id,
        charge_type=payment.charge_type,
        day=payment.day,
        patient_id=payment.patient_id,
        outcome=NotSent(Reason.UNKNOWN_CLINIC),
    )
    found = [clinic for key, clinic in clinics.load_all(tx, clinic_id).items() if scope.may_see(*key)]
    if len(found) > 1:
        raise AmbiguousIdError(f"clinic {clinic_id}", (clinic.key.company_id for clinic in found))
    return _evaluate(tx, preview, found[0], payment, now) if found else preview


def _evaluate(
    tx: Transaction, preview: FlowPreview, clinic: Clinic, payment: PaymentToSave, now: datetime
) -> FlowPreview:
    company_id = clinic.key.company_id
    state = months.load_state(tx, company_id, preview.month)
    (company,) = clinics.list_companies(tx, Scope.of_companies(company_id))
    preview = replace(preview, month_state=state, is_adjusted_automatically=company.adjustments == "auto")
    try:
        event = _event_of_payment(clinic, payment, now)
    except EventError as error:
        return replace(preview, outcome=None, error=str(error))
    context = ImportContext(
        now=now,
        backoff_schedule=_RETRY_SCHEDULE,
        settings=clinic.settings_at(now),
        patient_known=payment.patient_id is None or bool(patients.find_known(tx, [(company_id, payment.patient_id)])),
        months={preview.month: state},
        patient_schedule=_RETRY_SCHEDULE,
    )
    return replace(preview, outcome=import_rule.decide(event, b"", None, context).line.outcome)


def _event_of_payment(clinic: Clinic, payment: PaymentToSave, now: datetime) -> PaymentSaved:
    """Return the event that the EMR would publish. Raises EventError if the payment violates the contract."""
    is_on_account = payment.charge_type is ChargeType.PAYMENT_ON_ACCOUNT
    fields = {
        "schema": 1,
        "type": "payment.saved",
        "event_id": "00000000-0000-0000-0000-000000000000",
        **clinic.key._asdict(),
        "patient_id": payment.patient_id or "patient",
        "payment_id": "preview",
        "line_id": "1",
        "version": 1,
        "saved_at": now.isoformat(),
        "charge_type": payment.charge_type,
        "amount_due": f"{payment.amount_due:.2f}",
        "amount_paid": f"{payment.amount_paid:.2f}",
        "paid": payment.paid,
        "internal_payment": payment.internal_payment,
        "method": Method.CASH,
        "transaction_date": payment.day.isoformat(),
        "date_of_service": None if is_on_account else payment.day.isoformat(),
    }
    event = read_event(json.dumps(fields).encode())
    assert isinstance(event, PaymentSaved)  # noqa: S101 (by its type)
    return event
