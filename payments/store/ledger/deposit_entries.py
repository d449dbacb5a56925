"""The entries on deposits, and the entries that are on none (rule D11)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from payments.contract.keys import ClinicKey
from payments.contract.money import Money
from payments.core.deposit import ItemKind
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.conditions import conditions, in_scope, parameters_of, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.line_entries import ACTIVE_LINK, IS_OF_DEPOSIT
from payments.store.db.patient_names import join_names
from payments.store.db.printed_key import printed_key
from payments.store.db.statement import text
from payments.store.ledger.deposits import TURNS, StoredDeposit


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


@dataclass(frozen=True, slots=True)
class UndepositedFilter:
    """The filter of entries to deposit: their method and deposit dates, and a scope."""

    since: date | None = None
    until: date | None = None
    method: str | None = None
    scope: Scope = EVERYTHING


_ENTRY_FILTERS = {
    "since": "deposit_date >= :since",
    "until": "deposit_date <= :until",
    "method": "entries.method = :method",
}
IS_UNDEPOSITED = f"({TURNS} % 2 = 0 AND {IS_OF_DEPOSIT})"
"""The condition that a row of `entries` is money that is on no deposit."""
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


def undeposited(tx: Transaction, chosen: UndepositedFilter, limit: int) -> list[DepositEntry]:
    """Return up to `limit` entries that are on no deposit, by deposit date."""
    source = (
        f"WHERE {IS_UNDEPOSITED}{in_scope(chosen.scope, 'entries')}{conditions(chosen, _ENTRY_FILTERS)} "
        "ORDER BY deposit_date, entries.id LIMIT :limit"
    )
    parameters = {"limit": limit, **parameters_of(chosen)}
    return _entries(tx, _entry_query(chosen.scope, _ANY_DEPOSIT, source), parameters)


def depositable_amounts(tx: Transaction, clinic: ClinicKey, method: str, entry_ids: Sequence[int]) -> dict[int, Money]:
    """Return the amounts of those of these entries that the clinic can deposit with this method, by entry id."""
    query = (
        f"SELECT id, amount FROM entries WHERE {IS_UNDEPOSITED} AND company_id = :company_id "
        "AND clinic_id = :clinic_id AND method = :method AND id = ANY(:ids)"
    )
    found = tx.execute(text(query), {**clinic._asdict(), "method": method, "ids": list(entry_ids)})
    return {row.id: row.amount for row in found}


def of_deposit(tx: Transaction, deposit: StoredDeposit, scope: Scope = EVERYTHING) -> list[DepositEntry]:
    """Return the entries of a deposit by check number and deposit date. Those of a reversal are negated."""
    source = (
        "JOIN deposit_items AS own ON own.company_id = entries.company_id AND own.entry_ref = entries.id "
        "WHERE own.company_id = :company_id AND own.deposit_ref = :deposit_ref "
        "ORDER BY reference NULLS LAST, deposit_date, entries.id"
    )
    parameters = {"company_id": deposit.company_id, "deposit_ref": deposit.id, **scope_parameters(scope)}
    found = _entries(tx, _entry_query(scope, ":deposit_ref", source), parameters)
    return [each._replace(amount=-each.amount) for each in found] if deposit.reverses is not None else found


def _entry_query(scope: Scope, before: str, source: str) -> str:
    """Return the query of entries. Those on a deposit with an id below `before` count as deposited earlier.

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
