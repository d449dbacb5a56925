"""Events of the acceptance tests."""

import uuid
from decimal import Decimal

COMPANY = "acme"
ALL_TYPES = "Copay,Deductible,Wellness,Supplies,Other,Coinsurance,Payment on Account"
DAY = "2026-10-05"

Event = dict[str, object]


def patient(patient_id: str) -> Event:
    return {
        "schema": 1,
        "type": "patient.saved",
        "event_id": str(uuid.uuid4()),
        "company_id": COMPANY,
        "patient_id": patient_id,
        "version": 1,
        "saved_at": f"{DAY}T08:00:00-07:00",
        "name": "Ada Abbott",
    }


def payment(clinic: str, payment_id: str, amount: str = "25.00", *, version: int = 1, **more: object) -> Event:
    return {
        "schema": 1,
        "type": "payment.saved",
        "event_id": str(uuid.uuid4()),
        "company_id": COMPANY,
        "clinic_id": clinic,
        "patient_id": f"{clinic}-ada",
        "payment_id": payment_id,
        "line_id": "1",
        "version": version,
        "saved_at": f"{DAY}T10:{version:02}:00-07:00",
        "charge_type": "Copay",
        "amount_due": amount,
        "amount_paid": amount,
        "paid": True,
        "internal_payment": False,
        "method": "Cash",
        "transaction_date": DAY,
        "date_of_service": DAY,
        **more,
    }


def deletion(clinic: str, payment_id: str, *, version: int) -> Event:
    kept = "schema event_id company_id clinic_id patient_id payment_id line_id version saved_at".split()
    saved = payment(clinic, payment_id, version=version)
    return {name: saved[name] for name in kept} | {"type": "payment.deleted"}


def without(field: str, event: Event) -> Event:
    return {name: value for name, value in event.items() if name != field}


def key(clinic: str, payment_id: str) -> str:
    return f"{clinic}/{payment_id}/1"


def total(rows: list[dict[str, str]]) -> Decimal:
    return sum((Decimal(row["amount"]) for row in rows), Decimal("0.00"))
