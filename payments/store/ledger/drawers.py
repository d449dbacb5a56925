"""Drawers of clinics and their counts (rule D10). Counts are only inserted. A drawer is locked once and closed once."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from payments.contract.event import Method
from payments.contract.keys import ClinicKey
from payments.contract.money import Money, dollars
from payments.core.drawer import CashCount, DrawerCount, DrawerError
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.advisory_locks import AdvisoryLock, acquire_for
from payments.store.db.conditions import conditions, in_scope, parameters_of, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.statement import text


class StoredDrawer(NamedTuple):
    """A drawer of a clinic for one shift of a day. `shift` counts from 1. `starting_cash` is in dollars.

    `locked_at` is the time of its first count, `closed_at` the time when a second person closed it.
    """

    id: int
    company_id: str
    clinic_id: str
    day: date
    shift: int
    starting_cash: Money
    opened_at: datetime
    opened_by: str
    locked_at: datetime | None
    locked_by: str | None
    closed_at: datetime | None
    closed_by: str | None

    @property
    def clinic(self) -> ClinicKey:
        """The key of the drawer's clinic."""
        return ClinicKey(self.company_id, self.clinic_id)


@dataclass(frozen=True, slots=True)
class StoredCount:
    """A count of a drawer as it is stored, with its time and the user who counted."""

    id: int
    drawer_id: int
    count: DrawerCount
    counted_at: datetime
    counted_by: str


@dataclass(frozen=True, slots=True)
class DrawerFilter:
    """The filter of a list of drawers: their days, and a scope. A field that is None does not restrict it."""

    since: date | None = None
    until: date | None = None
    scope: Scope = EVERYTHING


class Stamp(NamedTuple):
    """The time of an action, and the user who performs it."""

    at: datetime
    who: str


_COLUMNS = ", ".join(StoredDrawer._fields)
_FILTERS = {"since": "day >= :since", "until": "day <= :until"}


def lock_clinic(tx: Transaction, clinic: ClinicKey) -> None:
    """Serialize the opening, counting and closing of a clinic's drawers, until the commit."""
    acquire_for(tx, AdvisoryLock.DRAWER, ":".join(clinic))


def add(tx: Transaction, clinic: ClinicKey, day: date, starting_cash: Money, stamp: Stamp) -> StoredDrawer:
    """Open a drawer for the next shift of a day. Call it only if the clinic has no open drawer."""
    query = (
        "INSERT INTO drawers (company_id, clinic_id, day, shift, starting_cash, opened_at, opened_by) "
        "SELECT :company_id, :clinic_id, :day, coalesce(max(shift), 0) + 1, :starting_cash, :at, :who FROM drawers "
        f"WHERE company_id = :company_id AND clinic_id = :clinic_id AND day = :day RETURNING {_COLUMNS}"
    )
    values = {"day": day, "starting_cash": starting_cash, **clinic._asdict(), **stamp._asdict()}
    return StoredDrawer._make(tx.execute(text(query), values).one())


def newest(tx: Transaction, clinic: ClinicKey) -> StoredDrawer | None:
    """Return the drawer of a clinic's last day and shift, or None if it has none. Only this one can be open."""
    query = (
        f"SELECT {_COLUMNS} FROM drawers WHERE company_id = :company_id AND clinic_id = :clinic_id "
        "ORDER BY day DESC, shift DESC LIMIT 1"
    )
    row = tx.execute(text(query), clinic._asdict()).one_or_none()
    return StoredDrawer._make(row) if row else None


def find(tx: Transaction, drawer_id: int, scope: Scope = EVERYTHING) -> StoredDrawer:
    """Return a drawer. Raises DrawerError if there is none with this id in the scope."""
    query = f"SELECT {_COLUMNS} FROM drawers WHERE id = :id{in_scope(scope, 'drawers')}"
    row = tx.execute(text(query), {"id": drawer_id, **scope_parameters(scope)}).one_or_none()
    if row is None:
        raise DrawerError(f"there is no drawer {drawer_id}")
    return StoredDrawer._make(row)


def read(tx: Transaction, chosen: DrawerFilter, limit: int) -> list[StoredDrawer]:
    """Return up to `limit` drawers that match a filter, the newest day first."""
    query = (
        f"SELECT {_COLUMNS} FROM drawers WHERE true{in_scope(chosen.scope, 'drawers')}{conditions(chosen, _FILTERS)} "
        "ORDER BY day DESC, clinic_id, shift DESC, id LIMIT :limit"
    )
    found = tx.execute(text(query), {"limit": limit, **parameters_of(chosen)})
    return [StoredDrawer._make(row) for row in found]


def lock(tx: Transaction, drawer: StoredDrawer, stamp: Stamp) -> None:
    """Lock an open drawer: it takes no more payments."""
    _advance(tx, drawer, "locked", stamp)


def close(tx: Transaction, drawer: StoredDrawer, stamp: Stamp) -> None:
    """Close a locked drawer."""
    _advance(tx, drawer, "closed", stamp)


def _advance(tx: Transaction, drawer: StoredDrawer, state: str, stamp: Stamp) -> None:
    query = f"UPDATE drawers SET {state}_at = :at, {state}_by = :who WHERE company_id = :company_id AND id = :id"
    tx.execute(text(query), {"company_id": drawer.company_id, "id": drawer.id, **stamp._asdict()})


def add_count(tx: Transaction, drawer: StoredDrawer, count: DrawerCount, stamp: Stamp) -> None:
    """Store a count of a drawer. It replaces the earlier ones as the count that matters."""
    cash = {name: pieces for name, pieces in count.cash._asdict().items() if pieces}
    others = {method.value: str(amount) for method, amount in count.others.items() if amount}
    tx.execute(
        text(
            "INSERT INTO drawer_counts (company_id, drawer_ref, cash, others, reason, counted_at, counted_by) "
            "VALUES (:company_id, :drawer_ref, CAST(:cash AS jsonb), CAST(:others AS jsonb), :reason, :at, :who)"
        ),
        {
            "company_id": drawer.company_id,
            "drawer_ref": drawer.id,
            "cash": json.dumps(cash),
            "others": json.dumps(others),
            "reason": count.reason.strip(),
            **stamp._asdict(),
        },
    )


def counts(tx: Transaction, drawers: list[StoredDrawer]) -> dict[int, list[StoredCount]]:
    """Return the counts of drawers by the drawer's id, oldest first. A drawer without a count is omitted."""
    query = (
        "SELECT drawer_counts.id, drawer_ref, cash, others, reason, counted_at, counted_by FROM drawer_counts "
        "JOIN unnest(CAST(:companies AS text[]), CAST(:ids AS bigint[])) AS asked(company_id, drawer_ref) "
        "USING (company_id, drawer_ref) ORDER BY drawer_counts.id"
    )
    keys = {"companies": [each.company_id for each in drawers], "ids": [each.id for each in drawers]}
    found: dict[int, list[StoredCount]] = {}
    for row in tx.execute(text(query), keys):
        found.setdefault(row.drawer_ref, []).append(_count(row))
    return found


def _count(row: Any) -> StoredCount:
    others = {Method(name): dollars(amount) for name, amount in row.others.items()}
    count = DrawerCount(CashCount(**row.cash), others, row.reason)
    return StoredCount(row.id, row.drawer_ref, count, row.counted_at, row.counted_by)
