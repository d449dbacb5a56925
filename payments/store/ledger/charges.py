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
from payments.store.db.bulk import column_arrays, insert_statement, unnest_item
from payments.store.db.connection import ConcurrentWriteError, Transaction
from payments.store.db.statement import text
from payments.store.tables import charges

_KEY = list(ChargeKey._fields)
_COLUMNS = [*_KEY, *ChargeVersion._fields]
_WRITTEN_COLUMNS = [*_COLUMNS, "saved_at", "changed_at"]
_IS_SAME = " AND ".join(f"charges.{name} = new.{name}" for name in _KEY)


def lock(tx: Transaction, keys: Iterable[ChargeKey]) -> dict[ChargeKey, ChargeVersion]:
    """Lock the charges that exist under these keys, and return them by key.

    Locks: FOR NO KEY UPDATE, in the order of the keys.
    """
    wanted = [key._asdict() for key in sorted(set(keys))]
    if not wanted:
        return {}
    found = tx.execute(
        text(
            f"SELECT locked.* FROM (SELECT * FROM {unnest_item(charges, _KEY)} ORDER BY 1, 2, 3) AS wanted, LATERAL "
            f"(SELECT {', '.join(_COLUMNS)} FROM charges WHERE company_id = wanted.company_id "
            "AND clinic_id = wanted.clinic_id AND charge_id = wanted.charge_id LIMIT 1 FOR NO KEY UPDATE) AS locked"
        ),
        column_arrays(wanted, _KEY),
    )
    return {_key(row): ChargeVersion(**{name: row[name] for name in ChargeVersion._fields}) for row in found.mappings()}


def save(tx: Transaction, saved: Mapping[ChargeKey, ChargeSaved], new: Container[ChargeKey], now: datetime) -> None:
    """Insert the charges whose keys are in `new`, and update the others, which this transaction has locked.

    Nothing is applied to a new charge yet, so its `patient_paid` is 0.00 unless the event states it. For an updated
    charge that does not state it, the next distribution determines it.

    Raises ConcurrentWriteError if another worker has created one of the new charges meanwhile. Locks: the new charges,
    in the order of their keys.
    """
    rows = [_row(event) | {"changed_at": now} for _, event in sorted(saved.items())]
    created = [row | {"patient_paid": row["patient_paid"] or ZERO} for row in rows if _key(row) in new]
    changed = [row for row in rows if _key(row) not in new]
    if created:
        statement = insert_statement(charges, _WRITTEN_COLUMNS, "ON CONFLICT DO NOTHING")
        if tx.execute(text(statement), column_arrays(created, _WRITTEN_COLUMNS)).rowcount < len(created):
            raise ConcurrentWriteError(f"one of {len(created)} new charges was created by another worker")
    if changed:
        values = ", ".join(f"{name} = new.{name}" for name in (*ChargeVersion._fields, "saved_at"))
        tx.execute(
            text(
                f"UPDATE charges SET {values}, {changed_at('charges', 'new.changed_at')} "
                f"FROM {unnest_item(charges, _WRITTEN_COLUMNS)} WHERE {_IS_SAME} AND charges.version < new.version"
            ),
            column_arrays(changed, _WRITTEN_COLUMNS),
        )


def record_paid(tx: Transaction, determined: Mapping[Charge, Money], now: datetime) -> None:
    """Store the `patient_paid` that a distribution determined, in dollars. Charges that were saved again are skipped.

    Locks: FOR NO KEY UPDATE, in the order of the keys.
    """
    columns = [*_KEY, "version", "patient_paid"]
    rows = [dict(zip(columns, (*charge.key, charge.version, paid), strict=True)) for charge, paid in determined.items()]
    if rows:
        lock(tx, (charge.key for charge in determined))
        tx.execute(
            text(
                f"UPDATE charges SET patient_paid = new.patient_paid, {changed_at('charges')} "
                f"FROM {unnest_item(charges, columns)} "
                f"WHERE {_IS_SAME} AND charges.patient_paid IS NULL AND charges.version = new.version"
            ),
            column_arrays(rows, columns) | {"now": now},
        )


def _row(event: ChargeSaved) -> dict[str, Any]:
    return {name: getattr(event, name) for name in (*_COLUMNS, "saved_at")}


def _key(row: Mapping[Any, Any]) -> ChargeKey:
    return ChargeKey(*(row[name] for name in _KEY))
