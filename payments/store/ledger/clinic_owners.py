"""Refuse clinic ids that another company has, as long as the upgrade to keys by company is not finished.

Until then the primary key of `clinics` does not contain the company (docs/upgrades.md). The release after the next one
does not need this module.
"""

from collections.abc import Iterable

from payments.contract.keys import ClinicKey
from payments.store.db.connection import Transaction
from payments.store.db.statement import text

_HAS_GLOBAL_CLINIC_IDS = (
    "EXISTS (SELECT FROM pg_index WHERE indrelid = CAST('clinics' AS regclass) AND indisunique AND indnkeyatts = 1)"
)


class ClinicOfOtherCompanyError(ValueError):
    """Another company has a clinic with this id."""

    def __init__(self, clinic_id: str) -> None:
        super().__init__(refusal_message(clinic_id))


def refusal_message(clinic_id: str) -> str:
    """Return the message that refuses a clinic. It does not name the other company."""
    return f"clinic {clinic_id} belongs to another company"


def available_keys(tx: Transaction, keys: Iterable[ClinicKey]) -> list[ClinicKey]:
    """Return the keys whose clinic id does not belong to another company.

    An id belongs to the company that has it in Billing. A new id belongs to the company of the first key with this id.
    After the upgrade, all keys are returned, because each company has its own clinic ids.
    """
    if not tx.execute(text(f"SELECT {_HAS_GLOBAL_CLINIC_IDS}")).scalar_one():
        return list(dict.fromkeys(keys))
    by_id: dict[str, ClinicKey] = {}
    for key in keys:
        by_id.setdefault(key.clinic_id, key)
    query = "SELECT company_id, clinic_id FROM clinics WHERE clinic_id = ANY(:ids)"
    found = tx.execute(text(query), {"ids": list(by_id)})
    by_id |= {row.clinic_id: ClinicKey(row.company_id, row.clinic_id) for row in found}
    return [key for key in dict.fromkeys(keys) if by_id[key.clinic_id] == key]
