"""Charges: what patients owe for their dates of service."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from payments.contract.event import ChargeSaved
from payments.core.charge import ChargeVersion
from payments.core.distribution import ChargeKey
from payments.store.db.as_of import changed_at
from payments.store.db.bulk import arrays, insertion, unnested
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.tables import charges

_KEY = ["clinic_id", "charge_id"]
_COLUMNS = [*_KEY, *ChargeVersion._fields]
_WRITTEN = [*_COLUMNS, "changed_at"]


def lock(tx: Transaction, keys: Iterable[ChargeKey]) -> dict[ChargeKey, ChargeVersion]:
    """Return the charges that exist under these keys (clinic, charge).

    Locks: FOR NO KEY UPDATE, in the order of the keys.
    """
    wanted = [dict(zip(_KEY, key, strict=True)) for key in sorted(set(keys))]
    if not wanted:
        return {}
    found = tx.execute(
        text(
            f"SELECT locked.* FROM (SELECT * FROM {unnested(charges, _KEY)} ORDER BY 1, 2) AS wanted, LATERAL "
            f"(SELECT {', '.join(_COLUMNS)} FROM charges WHERE clinic_id = wanted.clinic_id "
            "AND charge_id = wanted.charge_id LIMIT 1 FOR NO KEY UPDATE) AS locked"
        ),
        arrays(wanted, _KEY),
    )
    return {
        (row["clinic_id"], row["charge_id"]): ChargeVersion(**{name: row[name] for name in ChargeVersion._fields})
        for row in found.mappings()
    }


def save(tx: Transaction, saved: Mapping[ChargeKey, ChargeSaved], now: datetime) -> None:
    """Insert or update charges. A newer version that another worker has inserted meanwhile is kept.

    Locks: the charges, in the order of their keys.
    """
    rows = [
        {name: getattr(event, name) for name in _COLUMNS} | {"changed_at": now} for _, event in sorted(saved.items())
    ]
    if rows:
        values = ", ".join(f"{name} = excluded.{name}" for name in ChargeVersion._fields)
        upsert = (
            "ORDER BY clinic_id, charge_id ON CONFLICT (clinic_id, charge_id) DO UPDATE "
            f"SET {values}, {changed_at('charges', 'excluded.changed_at')} WHERE charges.version < excluded.version"
        )
        tx.execute(text(insertion(charges, _WRITTEN, upsert)), arrays(rows, _WRITTEN))
