"""Events of the acceptance tests."""

from decimal import Decimal

from tests.builders.events import event_fields, paid, payment_fields

COMPANY = "acme"
ALL_TYPES = "Copay,Deductible,Wellness,Supplies,Other,Coinsurance,Payment on Account"
PAYMENT_DAY = "2026-10-05"

Event = dict[str, object]


def patient(patient_id: str) -> Event:
    """Return a `patient.saved` event."""
    saved_at = f"{PAYMENT_DAY}T08:00:00-07:00"
    return event_fields(
        "patient.saved", company_id=COMPANY, patient_id=patient_id, saved_at=saved_at, name="Ada Abbott"
    )


def payment(clinic: str, payment_id: str, amount: str = "25.00", *, version: int = 1, **more: object) -> Event:
    """Return a `payment.saved` event: a Copay of the clinic's patient. `amount` is both due and paid."""
    return payment_fields(**_line_fields(clinic, payment_id, version) | paid(amount, PAYMENT_DAY) | more)


def deletion(clinic: str, payment_id: str, *, version: int) -> Event:
    """Return a `payment.deleted` event."""
    return event_fields("payment.deleted", **_line_fields(clinic, payment_id, version))


def _line_fields(clinic: str, payment_id: str, version: int) -> Event:
    return {
        "company_id": COMPANY,
        "clinic_id": clinic,
        "patient_id": f"{clinic}-ada",
        "payment_id": payment_id,
        "version": version,
        "saved_at": f"{PAYMENT_DAY}T10:{version:02}:00-07:00",
    }


def without_field(field: str, event: Event) -> Event:
    return {name: value for name, value in event.items() if name != field}


def line_key(clinic: str, payment_id: str) -> str:
    return f"{clinic}/{payment_id}/1"


def total_amount(rows: list[dict[str, str]]) -> Decimal:
    return sum((Decimal(row["amount"]) for row in rows), Decimal("0.00"))
