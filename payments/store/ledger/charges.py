"""Charges: the amounts that patients owe for their dates of service."""

from collections.abc import Container, Iterable, Mapping
from datetime import datetime
from typing import Any

from payments.contract.event import ChargeSaved
from payments.contract.keys import ChargeKey
from payments.contract.money import ZERO, Money
from payments.core.account import Charge
from payments.core.charge import ChargeVersion
from payments.store.db.as_of import changed_at
from payments.store.db.bulk import column_arrays, insert_statement, key_arrays, unnest_item
from payments.store.db.connection import ConcurrentWriteError, Transaction
from payments.store.db.statement import text
from payments.store.tables import charges

_KEY_COLUMNS = list(ChargeKey._fields)
_VERSION_COLUMNS = [*_KEY_COLUMNS, *ChargeVersion._fields]
_WRITTEN_COLUMNS = [*_VERSION_COLUMNS, "saved_at", "changed_at"]
_HAS_SAME_KEY = " AND ".join(f"charges.{name} = new.{name}" for name in _KEY_COLUMNS)


def lock(tx: Transaction, keys: Iterable[ChargeKey]) -> dict[ChargeKey, ChargeVersion]:
    """Lock the charges that exist under these keys, and return them by key.

    Locks: FOR NO KEY UPDATE, in the order of the keys.
    """
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    found = tx.execute(
        text(
            f"SELECT locked.* FROM (SELECT * FROM {unnest_item(charges, _KEY_COLUMNS)} ORDER BY 1, 2, 3) AS wanted, "
            f"LATERAL (SELECT {', '.join(_VERSION_COLUMNS)} FROM charges WHERE company_id = wanted.company_id "
            "AND clinic_id = wanted.clinic_id AND charge_id = wanted.charge_id LIMIT 1 FOR NO KEY UPDATE) AS locked"
        ),
        key_arrays(wanted, _KEY_COLUMNS),
    )
    return {
        _key_of_row(row): ChargeVersion(**{name: row[name] for name in ChargeVersion._fields})
        for row in found.mappings()
    }


def save(tx: Transaction, saved: Mapping[ChargeKey, ChargeSaved], new: Container[ChargeKey], now: datetime) -> None:
    """Insert the charges whose keys are in `new`, and update the others, which this transaction has locked.

    If an event does not state `patient_paid`, this column is set to 0.00 for a new charge, to which nothing is applied
    yet. For an updated charge, the column is null until the next distribution determines it.

    Raises ConcurrentWriteError if another worker has created one of the new charges meanwhile. Locks: the new charges,
    in the order of their keys.
    """
    rows = [_to_row(event) | {"changed_at": now} for _, event in sorted(saved.items())]
    created = [row | {"patient_paid": row["patient_paid"] or ZERO} for row in rows if _key_of_row(row) in new]
    changed = [row for row in rows if _key_of_row(row) not in new]
    if created:
        statement = insert_statement(charges, _WRITTEN_COLUMNS, "ON CONFLICT DO NOTHING")
        if tx.execute(text(statement), column_arrays(created, _WRITTEN_COLUMNS)).rowcount < len(created):
            raise ConcurrentWriteError(f"one of {len(created)} new charges was created by another worker")
    if changed:
        values = ", ".join(f"{name} = new.{name}" for name in (*ChargeVersion._fields, "saved_at"))
        tx.execute(
            text(
                f"UPDATE charges SET {values}, {changed_at('charges', 'new.changed_at')} "
                f"FROM {unnest_item(charges, _WRITTEN_COLUMNS)} WHERE {_HAS_SAME_KEY} AND charges.version < new.version"
            ),
            column_arrays(changed, _WRITTEN_COLUMNS),
        )


def record_paid(tx: Transaction, determined: Mapping[Charge, Money], now: datetime) -> None:
    """Store the `patient_paid` that a distribution determined, in dollars. Skip charges that have a newer version.

    Locks: FOR NO KEY UPDATE, in the order of the keys.
    """
    columns = [*_KEY_COLUMNS, "version", "patient_paid"]
    rows = [dict(zip(columns, (*charge.key, charge.version, paid), strict=True)) for charge, paid in determined.items()]
    if rows:
        lock(tx, (charge.key for charge in determined))
        tx.execute(
            text(
                f"UPDATE charges SET patient_paid = new.patient_paid, {changed_at('charges')} "
                f"FROM {unnest_item(charges, columns)} "
                f"WHERE {_HAS_SAME_KEY} AND charges.patient_paid IS NULL AND charges.version = new.version"
            ),
            column_arrays(rows, columns) | {"now": now},
        )


def _to_row(event: ChargeSaved) -> dict[str, Any]:
    return {name: getattr(event, name) for name in (*_VERSION_COLUMNS, "saved_at")}


def _key_of_row(row: Mapping[Any, Any]) -> ChargeKey:
    return ChargeKey(*(row[name] for name in _KEY_COLUMNS))
