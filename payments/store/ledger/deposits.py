"""Deposits and the entries on them (rule D11). Rows are only inserted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from payments.contract.keys import ClinicKey
from payments.contract.money import Money
from payments.core.deposit import DepositError, ItemKind
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.advisory_locks import AdvisoryLock, acquire_for
from payments.store.db.conditions import conditions, in_scope, parameters_of, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.line_entries import ACTIVE_LINK
from payments.store.db.patient_names import join_names
from payments.store.db.printed_key import printed_key
from payments.store.db.statement import text


class StoredDeposit(NamedTuple):
    """A deposit. `total` is in dollars, `count` is the number of entries. `made_by` is the user who made it.

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


class DepositEntry(NamedTuple):
    """An entry on a deposit, or an entry to deposit. `amount` is in dollars, negative for money that was taken back.

    `payment` is the printed key, None for a manual entry that belongs to no payment. `reference` is a check number, for
    example.
    """

    id: int
    payment: str | None
    company: str
    patient: str
    patient_name: str | None
    reference: str | None
    charge_type: str
    deposit_date: date
    kind: ItemKind
    amount: Money


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
    """Which deposits a list shows: those of these days of deposit. A field that is None does not restrict it."""

    since: date | None = None
    until: date | None = None
    method: str | None = None
    scope: Scope = EVERYTHING


@dataclass(frozen=True, slots=True)
class UndepositedFilter:
    """Which entries to deposit are listed: those with this method and these deposit dates, in a scope."""

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
_ENTRY_FILTERS = {
    "since": "deposit_date >= :since",
    "until": "deposit_date <= :until",
    "method": "entries.method = :method",
}
_TURNS = (
    "(SELECT count(*) FROM deposit_items WHERE deposit_items.company_id = entries.company_id "
    "AND deposit_items.entry_ref = entries.id)"
)
_IS_UNDEPOSITED = f"{_TURNS} % 2 = 0"
# An entry corrects a deposited payment if an entry of the same line, or the one that it reverses, is on an earlier
# deposit.
_IS_CORRECTION = (
    "(EXISTS (SELECT FROM entries AS earlier JOIN deposit_items AS held ON held.company_id = earlier.company_id "
    "AND held.entry_ref = earlier.id WHERE earlier.company_id = entries.company_id "
    "AND earlier.line_ref = entries.line_ref AND earlier.id < entries.id AND held.deposit_ref < {0}) "
    "OR EXISTS (SELECT FROM deposit_items AS held WHERE held.company_id = entries.company_id "
    "AND held.entry_ref = entries.reverses AND held.deposit_ref < {0}))"
)
_ANY_DEPOSIT = "9223372036854775807"


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


def undeposited(tx: Transaction, chosen: UndepositedFilter, limit: int) -> list[DepositEntry]:
    """Return up to `limit` entries that are on no deposit, by deposit date."""
    source = (
        f"WHERE {_IS_UNDEPOSITED}{in_scope(chosen.scope, 'entries')}{conditions(chosen, _ENTRY_FILTERS)} "
        "ORDER BY deposit_date, entries.id LIMIT :limit"
    )
    parameters = {"limit": limit, **parameters_of(chosen)}
    return _entries(tx, _entry_query(chosen.scope, _ANY_DEPOSIT, source), parameters)


def select(tx: Transaction, clinic: ClinicKey, method: str, entry_ids: Sequence[int]) -> dict[int, Money]:
    """Return the amounts of those of these entries that the clinic can deposit with this method, by entry id."""
    query = (
        f"SELECT id, amount FROM entries WHERE {_IS_UNDEPOSITED} AND company_id = :company_id "
        "AND clinic_id = :clinic_id AND method = :method AND id = ANY(:ids)"
    )
    found = tx.execute(text(query), {**clinic._asdict(), "method": method, "ids": list(entry_ids)})
    return {row.id: row.amount for row in found}


def entries_of(tx: Transaction, deposit: StoredDeposit, scope: Scope = EVERYTHING) -> list[DepositEntry]:
    """Return the entries of a deposit by check number and deposit date. Those of a reversal are negated."""
    source = (
        "JOIN deposit_items AS own ON own.company_id = entries.company_id AND own.entry_ref = entries.id "
        "WHERE own.company_id = :company_id AND own.deposit_ref = :deposit_ref "
        "ORDER BY reference NULLS LAST, deposit_date, entries.id"
    )
    parameters = {"company_id": deposit.company_id, "deposit_ref": deposit.id, **scope_parameters(scope)}
    found = _entries(tx, _entry_query(scope, ":deposit_ref", source), parameters)
    return [each._replace(amount=-each.amount) for each in found] if deposit.reverses is not None else found


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
        f"SELECT company_id, :deposit_ref, id, {_TURNS} + 1 FROM entries "
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


def _entry_query(scope: Scope, before: str, source: str) -> str:
    """Return the query of entries. `before` is the id of the deposit before which a deposited entry counts as earlier.

    `source` is the end of the query, after the tables of an entry.
    """
    return (
        f"SELECT entries.id, {printed_key(scope, 'lines')} AS payment, entries.company_id AS company, "
        "entries.patient_id AS patient, patient_name, entries.reference, entries.charge_type, deposit_date, "
        f"{_IS_CORRECTION.format(before)} AS is_correction, entries.amount FROM entries {ACTIVE_LINK} "
        "LEFT JOIN lines ON lines.company_id = entries.company_id "
        f"AND lines.id = coalesce(entries.line_ref, link.line_ref) {join_names('entries')} {source}"
    )


def _entries(tx: Transaction, query: str, parameters: dict[str, Any]) -> list[DepositEntry]:
    return [_entry(row) for row in tx.execute(text(query), parameters)]


def _entry(row: Any) -> DepositEntry:
    values = row._asdict()
    kind = ItemKind.CORRECTION if values.pop("is_correction") else ItemKind.PAYMENT
    return DepositEntry(**values, kind=kind)


def _one(tx: Transaction, where: str, parameters: dict[str, Any]) -> StoredDeposit | None:
    row = tx.execute(text(f"SELECT {_COLUMNS} FROM deposits {where}"), parameters).one_or_none()
    return StoredDeposit._make(row) if row else None
