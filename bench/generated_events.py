"""Generate the clinics and events of the benchmarks: paid payments of one line each."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from uuid import UUID

from sqlalchemy import text

from payments.contract.event import ChargeType, Method
from payments.journeys import configuring
from payments.journeys.configuring import SettingsUpdate
from payments.store.db.connection import connect, transaction

COMPANIES, CLINICS, PATIENTS = 5, 50, 20_000
SETTINGS_SINCE = datetime(2026, 1, 1, tzinfo=UTC)
FIRST_DAY = date(2026, 6, 1)
_TYPES = [kind.value for kind in ChargeType if kind is not ChargeType.PAYMENT_ON_ACCOUNT]
_METHODS = [method.value for method in Method]


def create_clinics_and_patients(database_url: str, patients: int) -> None:
    """Create the clinics with all charge types enabled, and insert the patients."""
    database = connect(database_url, application_name="bench")
    with transaction(database) as tx:
        for clinic in range(CLINICS):
            update = SettingsUpdate(
                f"clinic-{clinic}", company_of(clinic), integration=True, charge_types=list(ChargeType)
            )
            configuring.set_clinic(tx, update, now=SETTINGS_SINCE, who="bench")
        tx.execute(
            text(
                "INSERT INTO patients (company_id, patient_id, known_at, version) "
                f"SELECT 'company-' || number % {COMPANIES}, 'patient-' || number, now(), 1 "
                "FROM generate_series(0, :patients - 1) AS number"
            ),
            {"patients": patients},
        )
    with database.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))
    database.dispose()


def company_of(clinic: int) -> str:
    """Return the company of a clinic."""
    return f"company-{clinic % COMPANIES}"


def events(count: int, *, seed: int = 1, prefix: str = "p", patients: int = PATIENTS) -> Iterator[bytes]:
    """Yield the bodies of `count` `payment.saved` events, one per payment. The same seed gives the same bytes."""
    rng = Random(f"{prefix}/{seed}")
    return (_event(rng, f"{prefix}-{seed}-{number}", patients) for number in range(count))


def _event(rng: Random, payment_id: str, patients: int) -> bytes:
    patient = rng.randrange(patients)
    company = patient % COMPANIES
    day = FIRST_DAY + timedelta(days=rng.randrange(90))
    amount = f"{rng.randrange(5, 200)}.{rng.randrange(100):02d}"
    return json.dumps(
        {
            "schema": 1,
            "type": "payment.saved",
            "event_id": str(UUID(int=rng.getrandbits(128), version=4)),
            "company_id": f"company-{company}",
            "clinic_id": f"clinic-{rng.randrange(CLINICS // COMPANIES) * COMPANIES + company}",
            "patient_id": f"patient-{patient}",
            "payment_id": payment_id,
            "line_id": "1",
            "version": 1,
            "saved_at": f"{day}T{rng.randrange(8, 18):02d}:{rng.randrange(60):02d}:00-05:00",
            "charge_type": rng.choice(_TYPES),
            "amount_due": amount,
            "amount_paid": amount,
            "paid": True,
            "internal_payment": False,
            "method": rng.choice(_METHODS),
            "transaction_date": f"{day}",
            "date_of_service": f"{day}",
            "case_id": f"case-{patient}",
            "provider_id": f"provider-{rng.randrange(200)}",
            "reference": f"check {rng.randrange(10_000)}" if rng.random() < 0.3 else None,
            "memo": None,
            "refund_of": None,
        },
        separators=(",", ":"),
    ).encode()
