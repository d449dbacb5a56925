"""Patients, and whether Billing knows them. Billing knows a patient once a `patient.saved` event was imported."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from payments.contract.event import PatientSaved
from payments.core.patient import PatientVersion
from payments.store.db.bulk import column_arrays, insert_statement, key_arrays, unnest_item
from payments.store.db.connection import Transaction
from payments.store.db.pipeline import Query, fetch
from payments.store.db.statement import text
from payments.store.tables import patients

PatientKey = tuple[str, str]
"""The company and the id of a patient."""

PATIENT_KEY_COLUMNS = ["company_id", "patient_id"]
"""The columns of a PatientKey."""
_NAMED_COLUMNS = [*PATIENT_KEY_COLUMNS, "named_at"]
_WRITTEN_COLUMNS = [*_NAMED_COLUMNS, "known_at", "version", "name", "saved_at", "changed_at"]
# Looked up row by row through the index. Otherwise the planner scans the whole table while it is small.
_LOOKUP_QUERY = (
    "SELECT known_at, version, name FROM patients "
    "WHERE company_id = wanted.company_id AND patient_id = wanted.patient_id"
)


class LockedPatients(NamedTuple):
    """The patients whom Billing knows, and the versions that Billing holds of the patients being saved."""

    known: set[PatientKey]
    versions: dict[PatientKey, PatientVersion]


def lock(tx: Transaction, unknown: Iterable[PatientKey], saving: Iterable[PatientKey], now: datetime) -> LockedPatients:
    """Lock unknown patients and the patients being saved. Return which of these Billing knows once they are locked.

    `unknown` are patients of payments and charges whom `find_known` did not return, `saving` the patients of
    `patient.saved` events. Missing rows are inserted. If another worker imports a `patient.saved` meanwhile, its import
    waits for this transaction, and then finds the payments that it must release.

    Locks: unknown paying patients FOR SHARE, saved patients FOR NO KEY UPDATE. All are locked in one statement, in the
    order (company, patient), so that two workers cannot deadlock.
    """
    saved = set(saving)
    to_lock = patient_rows(saved.union(unknown))
    if not to_lock:
        return LockedPatients(set(), {})
    named = [row | {"named_at": now} for row in to_lock]
    tx.execute(
        text(insert_statement(patients, _NAMED_COLUMNS, "ORDER BY 1, 2 ON CONFLICT DO NOTHING")),
        column_arrays(named, _NAMED_COLUMNS),
    )
    locked = tx.execute(
        text(
            "SELECT wanted.company_id, wanted.patient_id, coalesce(own.known_at, shared.known_at) AS known_at, "
            "own.version, own.name FROM "
            "(SELECT * FROM unnest(CAST(:company_id AS text[]), CAST(:patient_id AS text[]), CAST(:saves AS bool[])) "
            "AS new(company_id, patient_id, saves) ORDER BY 1, 2) AS wanted "
            f"LEFT JOIN LATERAL ({_LOOKUP_QUERY} AND wanted.saves LIMIT 1 FOR NO KEY UPDATE) AS own ON true "
            f"LEFT JOIN LATERAL ({_LOOKUP_QUERY} AND NOT wanted.saves LIMIT 1 FOR SHARE) AS shared ON true"
        ),
        column_arrays(to_lock, PATIENT_KEY_COLUMNS)
        | {"saves": [(row["company_id"], row["patient_id"]) in saved for row in to_lock]},
    ).all()
    known_now = {(row.company_id, row.patient_id) for row in locked if row.known_at}
    versions = {
        (row.company_id, row.patient_id): PatientVersion(row.version, row.name) for row in locked if row.version
    }
    return LockedPatients(known_now, versions)


def try_lock(tx: Transaction, paying: Iterable[PatientKey]) -> tuple[set[PatientKey], set[PatientKey]]:
    """Lock unknown patients without waiting. Return which patients Billing knows, and which are being saved now.

    Locks: unknown patients FOR SHARE, as `lock` does. Patients that another transaction is saving are skipped.
    """
    wanted = set(paying)
    in_billing = find_known(tx, wanted)
    unknown = patient_rows(wanted - in_billing)
    if not unknown:
        return in_billing, set()
    found = tx.execute(
        text(
            "SELECT wanted.company_id, wanted.patient_id, own.known_at FROM "
            f"(SELECT * FROM {unnest_item(patients, PATIENT_KEY_COLUMNS)}) AS wanted, "
            f"LATERAL ({_LOOKUP_QUERY} LIMIT 1 FOR SHARE SKIP LOCKED) AS own"
        ),
        column_arrays(unknown, PATIENT_KEY_COLUMNS),
    )
    locked = {(row.company_id, row.patient_id): row.known_at for row in found}
    saved_now = wanted - in_billing - set(locked)
    return in_billing | {key for key, known_at in locked.items() if known_at}, saved_now


def save(tx: Transaction, saved: Mapping[PatientKey, PatientSaved], now: datetime) -> None:
    """Insert or update patients that this transaction has locked. Each must be newer than the version in Billing."""
    rows = [
        {"company_id": company_id, "patient_id": patient_id, "named_at": now, "known_at": now, "changed_at": now}
        | {"version": event.version, "name": event.name, "saved_at": event.saved_at}
        for (company_id, patient_id), event in sorted(saved.items())
    ]
    if rows:
        values = ", ".join(f"{name} = excluded.{name}" for name in ("version", "name", "saved_at", "changed_at"))
        upsert = (
            f"ON CONFLICT (company_id, patient_id) DO UPDATE SET {values}, "
            "known_at = coalesce(patients.known_at, excluded.known_at) "
            "WHERE patients.version IS NULL OR patients.version < excluded.version"
        )
        tx.execute(text(insert_statement(patients, _WRITTEN_COLUMNS, upsert)), column_arrays(rows, _WRITTEN_COLUMNS))


def find_known(tx: Transaction, wanted: Iterable[PatientKey]) -> set[PatientKey]:
    """Return which of these patients Billing knows. Takes no locks."""
    return fetch(tx, known_query(wanted))


def known_query(wanted: Iterable[PatientKey]) -> Query[set[PatientKey]]:
    """Return the query of `find_known`."""
    keys = set(wanted)
    # The others are returned, because usually there are none.
    statement = (
        "SELECT wanted.company_id, wanted.patient_id "
        f"FROM (SELECT * FROM {unnest_item(patients, PATIENT_KEY_COLUMNS)}) AS wanted "
        f"LEFT JOIN LATERAL ({_LOOKUP_QUERY} LIMIT 1) AS own ON true WHERE own.known_at IS NULL"
    )
    return Query(
        statement if keys else "",
        key_arrays(sorted(keys), PATIENT_KEY_COLUMNS),
        lambda unknown: keys.difference((row.company_id, row.patient_id) for row in unknown),
    )


def patient_rows(keys: Iterable[PatientKey]) -> list[dict[str, Any]]:
    """Return the distinct keys, sorted, as rows with the columns PATIENT_KEY_COLUMNS."""
    return [{"company_id": company_id, "patient_id": patient_id} for company_id, patient_id in sorted(set(keys))]
