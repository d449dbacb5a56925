"""Deposits and the entries on them (rule D11). Rows are only inserted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from payments.contract.keys import ClinicKey
from payments.contract.money import Money
from payments.core.deposit import DepositError
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.advisory_locks import AdvisoryLock, acquire_for
from payments.store.db.conditions import conditions, in_scope, parameters_of, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.statement import text


class StoredDeposit(NamedTuple):
    """A deposit. `total` is in dollars, `entry_count` the number of entries. `made_by` is the user who made it.

    `reverses` is the id of the deposit that it reverses, `reversed_by` that of the deposit that reverses it.
    """

    id: int
    company_id: str
    clinic_id: str
    method: str
    bank_account: str
    day: date
    total: Money
    entry_count: int
    made_at: datetime
    made_by: str
    request_hash: bytes
    reverses: int | None
    reason: str | None
    reversed_by: int | None

    @property
    def clinic(self) -> ClinicKey:
        """The key of the deposit's clinic."""
        return ClinicKey(self.company_id, self.clinic_id)


class NewDeposit(NamedTuple):
    """A deposit to store. `reverses` and `reason` belong to a reversal."""

    clinic: ClinicKey
    method: str
    bank_account: str
    day: date
    key: str
    request_hash: bytes
    made_at: datetime
    made_by: str
    reverses: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class DepositFilter:
    """The filter of a list of deposits: their days, method and scope. A field that is None does not restrict it."""

    since: date | None = None
    until: date | None = None
    method: str | None = None
    scope: Scope = EVERYTHING


_COLUMNS = (
    "deposits.id, deposits.company_id, deposits.clinic_id, deposits.method, bank_account, day, total, "
    "count AS entry_count, made_at, made_by, request_hash, reversed_ref AS reverses, reason, "
    "(SELECT later.id FROM deposits AS later WHERE later.company_id = deposits.company_id "
    "AND later.reversed_ref = deposits.id) AS reversed_by"
)
_FILTERS = {"since": "day >= :since", "until": "day <= :until", "method": "deposits.method = :method"}
TURNS = (
    "(SELECT count(*) FROM deposit_items WHERE deposit_items.company_id = entries.company_id "
    "AND deposit_items.entry_ref = entries.id)"
)
"""The number of times that an entry, a row of `entries`, was put on a deposit or taken off by a reversal."""


def lock_clinic(tx: Transaction, clinic: ClinicKey) -> None:
    """Serialize the making and reversing of a clinic's deposits, until the commit."""
    acquire_for(tx, AdvisoryLock.DEPOSIT, ":".join(clinic))


def load(tx: Transaction, deposit_id: int, scope: Scope) -> StoredDeposit | None:
    """Return a deposit by its id; None if there is none in the scope."""
    where = f"WHERE deposits.id = :id{in_scope(scope, 'deposits')}"
    return _one(tx, where, {"id": deposit_id, **scope_parameters(scope)})


def find(tx: Transaction, deposit_id: int, scope: Scope = EVERYTHING) -> StoredDeposit:
    """Return a deposit. Raises DepositError if there is none with this id in the scope."""
    found = load(tx, deposit_id, scope)
    if found is None:
        raise DepositError(f"there is no deposit {deposit_id}")
    return found


def find_requested(tx: Transaction, company_id: str, key: str) -> StoredDeposit | None:
    """Return the deposit that the request with this key has made, or None."""
    where = "WHERE deposits.company_id = :company_id AND request_key = :key"
    return _one(tx, where, {"company_id": company_id, "key": key})


def read(tx: Transaction, chosen: DepositFilter, limit: int) -> list[StoredDeposit]:
    """Return up to `limit` deposits that match a filter, the newest first."""
    query = (
        f"SELECT {_COLUMNS} FROM deposits WHERE true{in_scope(chosen.scope, 'deposits')}{conditions(chosen, _FILTERS)} "
        "ORDER BY day DESC, deposits.id DESC LIMIT :limit"
    )
    found = tx.execute(text(query), {"limit": limit, **parameters_of(chosen)})
    return [StoredDeposit._make(row) for row in found]


def add(tx: Transaction, deposit: NewDeposit, entry_ids: Sequence[int], total: Money) -> int:
    """Store a deposit with its entries, and return its id. The entries of a reversal are then on no deposit.

    Raises DBAPIError if another transaction has put one of the entries on a deposit.
    """
    query = (
        "INSERT INTO deposits (company_id, clinic_id, method, bank_account, day, total, count, made_at, made_by, "
        "request_key, request_hash, reversed_ref, reason) VALUES (:company_id, :clinic_id, :method, :bank_account, "
        ":day, :total, :count, :made_at, :made_by, :key, :request_hash, :reverses, :reason) RETURNING id"
    )
    values = {**deposit._asdict(), **deposit.clinic._asdict(), "total": total, "count": len(entry_ids)}
    values.pop("clinic")
    deposit_id = int(tx.execute(text(query), values).scalar_one())
    items = (
        "INSERT INTO deposit_items (company_id, deposit_ref, entry_ref, turn) "
        f"SELECT company_id, :deposit_ref, id, {TURNS} + 1 FROM entries "
        "WHERE company_id = :company_id AND id = ANY(:ids)"
    )
    tx.execute(
        text(items),
        {"company_id": deposit.clinic.company_id, "deposit_ref": deposit_id, "ids": list(entry_ids)},
    )
    return deposit_id


def bank_accounts(tx: Transaction, scope: Scope, limit: int) -> list[str]:
    """Return up to `limit` bank accounts of earlier deposits in a scope, sorted."""
    query = (
        f"SELECT DISTINCT bank_account FROM deposits WHERE true{in_scope(scope, 'deposits')} ORDER BY 1 LIMIT :limit"
    )
    return list(tx.execute(text(query), {"limit": limit, **scope_parameters(scope)}).scalars())


def _one(tx: Transaction, where: str, parameters: dict[str, Any]) -> StoredDeposit | None:
    row = tx.execute(text(f"SELECT {_COLUMNS} FROM deposits {where}"), parameters).one_or_none()
    return StoredDeposit._make(row) if row else None
