"""What the published contract says in words and by example; the rest of it comes from the event models."""

from typing import Any

Json = dict[str, Any]

# What a field means; its form comes from the model.
MEANINGS = {
    "schema": "the version of this contract",
    "type": "what happened",
    "event_id": "names this event: sent twice under one id it counts once",
    "company_id": "the company, whose months are closed together",
    "clinic_id": "the clinic; together with payment_id and line_id it names the line",
    "patient_id": "the patient",
    "payment_id": "the payment",
    "line_id": "the charge line of the payment",
    "charge_id": "the charge; together with clinic_id it names it",
    "version": "grows with every save or delete of the record; the newest counts, whatever the order of arrival",
    "saved_at": "when the EMR saved it; the clinic's settings of that moment apply",
    "charge_type": "a clinic chooses which of these flow",
    "amount_due": "what the patient had to pay; negative only on a refund line",
    "amount_paid": "what the patient paid; negative only on a refund line",
    "paid": "whether the line is marked Paid",
    "internal_payment": "whether the payment stays inside the EMR; such a line never posts",
    "method": "how the money was taken",
    "transaction_date": "the day on which the patient paid; becomes the deposit date",
    "date_of_service": "the day of the visit; null for a Payment on Account",
    "case_id": "the patient's case",
    "provider_id": "who treated the patient",
    "reference": "a check number, or the like",
    "memo": "a remark",
    "refund_of": "the line that is refunded; without it no amount may be negative",
    "name": "the patient's name, for people who look at the console",
    "patient_balance": "what the patient still owes for the date of service",
    "insurance_open": "whether insurance has not decided yet",
}

_COMMON: Json = {
    "schema": 1,
    "event_id": "0b5a8a52-7f3e-4c1e-9a55-5f2f0c6f1a02",
    "company_id": "acme",
    "patient_id": "ada",
    "version": 1,
    "saved_at": "2026-10-05T10:00:00-07:00",
}
_LINE: Json = {"clinic_id": "north", "payment_id": "p-1001", "line_id": "1"}
EXAMPLES: dict[str, Json] = {
    "PaymentSaved": _COMMON
    | _LINE
    | {
        "type": "payment.saved",
        "charge_type": "Copay",
        "amount_due": "25.00",
        "amount_paid": "25.00",
        "paid": True,
        "internal_payment": False,
        "method": "Cash",
        "transaction_date": "2026-10-05",
        "date_of_service": "2026-10-05",
    },
    "PaymentDeleted": _COMMON
    | _LINE
    | {"event_id": "0b5a8a52-7f3e-4c1e-9a55-5f2f0c6f1a03", "type": "payment.deleted", "version": 2},
    "PatientSaved": _COMMON
    | {"event_id": "0b5a8a52-7f3e-4c1e-9a55-5f2f0c6f1a01", "type": "patient.saved", "name": "Ada Abbott"},
    "ChargeSaved": _COMMON
    | {
        "event_id": "0b5a8a52-7f3e-4c1e-9a55-5f2f0c6f1a04",
        "type": "charge.saved",
        "clinic_id": "north",
        "charge_id": "c-77",
        "date_of_service": "2026-10-05",
        "patient_balance": "40.00",
        "insurance_open": False,
    },
}
