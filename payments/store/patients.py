"""Patients: which of them are known to Billing, and the charges that they still owe."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import text

from payments.core.event import ChargeSaved, PatientSaved
from payments.store.bulk import arrays, insertion, unnested
from payments.store.known import changed_at
from payments.store.session import Transaction
from payments.store.tables import charges, patients

PatientKey = tuple[str, str]
"""(company, patient)."""

_KEY = ["company_id", "patient_id"]
_NAMED = [*_KEY, "named_at"]
_KNOWN = [*_NAMED, "known_at", "version", "name"]
_SAID = "clinic_id charge_id company_id patient_id version date_of_service patient_balance insurance_open".split()
_CHARGE = [*_SAID, "changed_at"]


def known(tx: Transaction, wanted: Iterable[PatientKey], now: datetime) -> set[PatientKey]:
    """Return which of the patients Billing knows, and see to it that all of them have a row.

    An unknown patient's row is share-locked: a `patient.saved` that arrives meanwhile waits for this transaction, and
    then finds the payments that it has to release.
    """
    keys = [{"company_id": company_id, "patient_id": patient_id} for company_id, patient_id in sorted(set(wanted))]
    found = _known(tx, keys)
    unknown = [key for key in keys if (key["company_id"], key["patient_id"]) not in found]
    if unknown:
        named = [key | {"named_at": now} for key in unknown]
        tx.execute(text(insertion(patients, _NAMED, "ON CONFLICT DO NOTHING")), arrays(named, _NAMED))
        found |= _known(tx, unknown, "FOR SHARE")
    return found


def save(tx: Transaction, saved: Sequence[PatientSaved], now: datetime) -> None:
    """Make patients known to Billing; of several versions the newest stays."""
    newest = {(event.company_id, event.patient_id): event for event in sorted(saved, key=lambda event: event.version)}
    rows = [
        {"company_id": company_id, "patient_id": patient_id, "named_at": now, "known_at": now}
        | {"version": event.version, "name": event.name}
        for (company_id, patient_id), event in sorted(newest.items())
    ]
    if rows:
        newer = (
            "ON CONFLICT (company_id, patient_id) DO UPDATE SET version = excluded.version, name = excluded.name, "
            "known_at = coalesce(patients.known_at, excluded.known_at) "
            "WHERE patients.version IS NULL OR patients.version < excluded.version"
        )
        tx.execute(text(insertion(patients, _KNOWN, newer)), arrays(rows, _KNOWN))


def save_charges(tx: Transaction, saved: Sequence[ChargeSaved], now: datetime) -> None:
    """Keep what patients owe for a date of service; of several versions the newest stays."""
    newest = {(event.clinic_id, event.charge_id): event for event in sorted(saved, key=lambda event: event.version)}
    rows = [{name: getattr(event, name) for name in _SAID} | {"changed_at": now} for _, event in sorted(newest.items())]
    if rows:
        values = ", ".join(f"{name} = excluded.{name}" for name in _SAID[2:])
        values += f", {changed_at('charges', 'excluded.changed_at')}"
        newer = f"ON CONFLICT (clinic_id, charge_id) DO UPDATE SET {values} WHERE charges.version < excluded.version"
        tx.execute(text(insertion(charges, _CHARGE, newer)), arrays(rows, _CHARGE))


def name_of(tx: Transaction, company_id: str, patient_id: str) -> str | None:
    """Return a patient's name, if Billing was told it."""
    found = tx.execute(
        text("SELECT name FROM patients WHERE company_id = :company_id AND patient_id = :patient_id"),
        {"company_id": company_id, "patient_id": patient_id},
    )
    known: str | None = found.scalar_one_or_none()
    return known


def _known(tx: Transaction, keys: Sequence[dict[str, str]], lock: str = "") -> set[PatientKey]:
    found = tx.execute(
        text(
            # One by one through the index: left alone, the planner reads the whole of a table that is not yet large.
            f"SELECT found.* FROM (SELECT * FROM {unnested(patients, _KEY)} ORDER BY 1, 2) AS wanted, LATERAL "
            "(SELECT company_id, patient_id, known_at FROM patients WHERE company_id = wanted.company_id "
            f"AND patient_id = wanted.patient_id LIMIT 1 {lock}) AS found"
        ),
        arrays(keys, _KEY),
    )
    return {(company_id, patient_id) for company_id, patient_id, known_at in found if known_at}
