"""Patients: which of them are known to Billing, held still while their payments are judged."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from payments.contract.event import PatientSaved
from payments.store.db.bulk import arrays, insertion, unnested
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.tables import patients

PatientKey = tuple[str, str]
"""(company, patient)."""

_KEY = ["company_id", "patient_id"]
_NAMED = [*_KEY, "named_at"]
_KNOWN = [*_NAMED, "known_at", "version", "name"]
# Looked up one by one through the index: left alone, the planner reads the whole of a table that is not yet large.
_OWN = "SELECT known_at FROM patients WHERE company_id = wanted.company_id AND patient_id = wanted.patient_id"


def hold(
    tx: Transaction, paying: Iterable[PatientKey], now: datetime, saving: Iterable[PatientKey] = ()
) -> set[PatientKey]:
    """Return which of the patients who pay are known to Billing; all of them, and those being saved, get a row.

    The row of an unknown patient who pays is share-locked, and that of one being saved against that too: a
    `patient.saved` that arrives meanwhile waits for this transaction, and then finds the payments that it has to
    release. All are locked in one statement and one order, so that no two workers wait for each other.
    """
    wanted, saved = set(paying), set(saving)
    known = known_of(tx, wanted)
    held = _rows((wanted - known) | saved)
    if not held:
        return known
    named = [row | {"named_at": now} for row in held]
    tx.execute(text(insertion(patients, _NAMED, "ORDER BY 1, 2 ON CONFLICT DO NOTHING")), arrays(named, _NAMED))
    locked = tx.execute(
        text(
            "SELECT wanted.company_id, wanted.patient_id, coalesce(own.known_at, shared.known_at) FROM "
            "(SELECT * FROM unnest(CAST(:company_id AS text[]), CAST(:patient_id AS text[]), CAST(:saves AS bool[])) "
            "AS new(company_id, patient_id, saves) ORDER BY 1, 2) AS wanted "
            f"LEFT JOIN LATERAL ({_OWN} AND wanted.saves LIMIT 1 FOR NO KEY UPDATE) AS own ON true "
            f"LEFT JOIN LATERAL ({_OWN} AND NOT wanted.saves LIMIT 1 FOR SHARE) AS shared ON true"
        ),
        arrays(held, _KEY) | {"saves": [(row["company_id"], row["patient_id"]) in saved for row in held]},
    )
    return known | {(company_id, patient_id) for company_id, patient_id, known_at in locked if known_at}


def look(tx: Transaction, paying: Iterable[PatientKey]) -> tuple[set[PatientKey], set[PatientKey]]:
    """Return which patients are known, and which are just being saved by another worker; waits for nobody.

    An unknown patient whom nobody is saving is share-locked, as `hold` does it.
    """
    wanted = set(paying)
    known = known_of(tx, wanted)
    unknown = _rows(wanted - known)
    if not unknown:
        return known, set()
    found = tx.execute(
        text(
            "SELECT wanted.company_id, wanted.patient_id, own.known_at FROM "
            f"(SELECT * FROM {unnested(patients, _KEY)}) AS wanted, "
            f"LATERAL ({_OWN} LIMIT 1 FOR SHARE SKIP LOCKED) AS own"
        ),
        arrays(unknown, _KEY),
    )
    held = {(company_id, patient_id): known_at for company_id, patient_id, known_at in found}
    return known | {key for key, known_at in held.items() if known_at}, wanted - known - set(held)


def save(tx: Transaction, saved: Sequence[PatientSaved], now: datetime) -> None:
    """Make patients known to Billing that this transaction holds; of several versions the newest stays."""
    newest: dict[PatientKey, PatientSaved] = {}
    for event in saved:
        held = newest.setdefault((event.company_id, event.patient_id), event)
        if event.version > held.version:  # of two that say the same version the first stays, in one set as in two
            newest[event.company_id, event.patient_id] = event
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


def known_of(tx: Transaction, wanted: Iterable[PatientKey]) -> set[PatientKey]:
    """Return which patients are known to Billing; nobody is held."""
    found = tx.execute(
        text(
            f"SELECT wanted.company_id, wanted.patient_id FROM (SELECT * FROM {unnested(patients, _KEY)}) AS wanted, "
            f"LATERAL ({_OWN} LIMIT 1) AS own WHERE own.known_at IS NOT NULL"
        ),
        arrays(_rows(wanted), _KEY),
    )
    return {(company_id, patient_id) for company_id, patient_id in found}


def name_of(tx: Transaction, company_id: str, patient_id: str) -> str | None:
    """Return a patient's name, if Billing was told it."""
    found = tx.execute(
        text("SELECT name FROM patients WHERE company_id = :company_id AND patient_id = :patient_id"),
        {"company_id": company_id, "patient_id": patient_id},
    )
    known: str | None = found.scalar_one_or_none()
    return known


def _rows(keys: Iterable[PatientKey]) -> list[dict[str, Any]]:
    return [{"company_id": company_id, "patient_id": patient_id} for company_id, patient_id in sorted(set(keys))]
