"""Descriptions and examples for the published event contract. The types come from the event models."""

from typing import Any

Json = dict[str, Any]

# The meaning of each field. The types of the fields come from the models.
MEANING_BY_FIELD = {
    "schema": "version of this contract",
    "type": "kind of the event",
    "event_id": "id of this event; an event that is published twice with the same id counts once",
    "company_id": "the company; months are closed for a whole company",
    "clinic_id": "the clinic; with payment_id and line_id it identifies the line",
    "patient_id": "the patient",
    "payment_id": "the payment",
    "line_id": "the charge line of the payment",
    "charge_id": "the charge; with clinic_id it identifies the charge",
    "version": "grows with every save or delete of the record; the newest counts, in any order of arrival",
    "saved_at": "time of the save in the EMR; the clinic's settings of that time apply",
    "charge_type": "each clinic selects the types that it sends to Billing",
    "amount_due": "amount that the patient owed; 0.00 or less on a refund line, 0.00 or more on any other",
    "amount_paid": "amount that the patient paid; 0.00 or less on a refund line, 0.00 or more on any other",
    "paid": "whether the line is marked Paid",
    "internal_payment": "whether the payment is an Internal Payment, which is never posted",
    "method": "method of payment",
    "transaction_date": "day of the payment; becomes the deposit date",
    "date_of_service": "day of the visit; null for a Payment on Account",
    "case_id": "the patient's case",
    "provider_id": "the provider of the service",
    "reference": "check number or similar",
    "memo": "free text",
    "refund_of": "the line of the same patient that this line refunds; without it no amount may be negative",
    "name": "the patient's name, shown in the console",
    "patient_balance": "amount that the patient still owes for the charge, after what the patient paid; below 0.00 if "
    "the patient paid too much",
    "patient_paid": "what the patient paid for the charge and patient_balance has deducted; without it, Billing takes "
    "what it has applied to the charge",
    "insurance_open": "whether the insurance claim is still open",
}

_COMMON_KEYS: Json = {
    "schema": 1,
    "event_id": "0b5a8a52-7f3e-4c1e-9a55-5f2f0c6f1a02",
    "company_id": "acme",
    "patient_id": "ada",
    "version": 1,
    "saved_at": "2026-10-05T10:00:00-07:00",
}
_LINE_KEYS: Json = {"clinic_id": "north", "payment_id": "p-1001", "line_id": "1"}
EXAMPLE_BY_MODEL: dict[str, Json] = {
    "PaymentSaved": _COMMON_KEYS
    | _LINE_KEYS
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
    "PaymentDeleted": _COMMON_KEYS
    | _LINE_KEYS
    | {"event_id": "0b5a8a52-7f3e-4c1e-9a55-5f2f0c6f1a03", "type": "payment.deleted", "version": 2},
    "PatientSaved": _COMMON_KEYS
    | {"event_id": "0b5a8a52-7f3e-4c1e-9a55-5f2f0c6f1a01", "type": "patient.saved", "name": "Ada Abbott"},
    "ChargeSaved": _COMMON_KEYS
    | {
        "event_id": "0b5a8a52-7f3e-4c1e-9a55-5f2f0c6f1a04",
        "type": "charge.saved",
        "clinic_id": "north",
        "charge_id": "c-77",
        "date_of_service": "2026-10-05",
        "patient_balance": "15.00",
        "patient_paid": "25.00",
        "insurance_open": False,
    },
}
