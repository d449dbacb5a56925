"""The payments in drawers (rule D10): those that an open drawer would take now, and those that a locked one took.

A drawer takes, for each payment and method, the EMR's amount less what earlier drawers took. The EMR's amount is that
of the newest version of the payment that Billing could evaluate, whether or not the payment is in Billing.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any, NamedTuple

from payments.contract.event import Method
from payments.contract.money import Money
from payments.core.drawer import LineKind, line_kind
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.conditions import scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.patient_names import join_names
from payments.store.db.printed_key import printed_key
from payments.store.db.statement import text
from payments.store.feed.posted import LINE_EMR_AMOUNT
from payments.store.ledger.drawers import StoredDrawer


class DrawerLine(NamedTuple):
    """A payment in a drawer. `amount` is the amount that the drawer takes with this method, in dollars.

    `payment` is the printed key, `reference` the number of a check, for example.
    """

    payment: str
    company: str
    clinic: str
    patient: str
    patient_name: str | None
    method: Method
    reference: str | None
    charge_type: str | None
    transaction_date: date
    amount: Money
    kind: LineKind


# Without drawers, the payments of all earlier years would fall into the first one: its day is the first that counts.
_TO_TAKE_CTES = f"""
WITH stated AS (
    SELECT id AS line_ref, method, {LINE_EMR_AMOUNT.format("lines")} AS amount FROM lines
    WHERE company_id = :company_id AND clinic_id = :clinic_id AND method IS NOT NULL AND transaction_date <= :day
        AND transaction_date >= (SELECT min(day) FROM drawers WHERE company_id = :company_id AND clinic_id = :clinic_id)
), taken AS (
    SELECT line_ref, method, sum(amount) AS amount FROM drawer_lines
    WHERE company_id = :company_id AND clinic_id = :clinic_id GROUP BY line_ref, method
), changed AS (
    SELECT line_ref, method, coalesce(stated.amount, 0.00) - coalesce(taken.amount, 0.00) AS amount
    FROM stated FULL JOIN taken USING (line_ref, method)
    WHERE coalesce(stated.amount, 0.00) <> coalesce(taken.amount, 0.00)
), found AS (
    SELECT company_id, changed.line_ref, changed.method, changed.amount, patient_id, reference, transaction_date,
        EXISTS (SELECT FROM drawer_lines AS earlier WHERE earlier.company_id = :company_id
            AND earlier.clinic_id = :clinic_id AND earlier.line_ref = changed.line_ref) AS was_taken_before
    FROM changed JOIN lines ON lines.company_id = :company_id AND lines.id = changed.line_ref
)
"""
_TAKEN_CTE = """
WITH found AS (
    SELECT company_id, line_ref, method, amount, patient_id, reference, transaction_date, was_taken_before
    FROM drawer_lines WHERE company_id = :company_id AND drawer_ref = :drawer_ref
)
"""
_LINE_COLUMNS = "line_ref, method, amount, patient_id, reference, transaction_date, was_taken_before"


def take(tx: Transaction, drawer: StoredDrawer) -> None:
    """Store the payments that an open drawer takes. Call it once, in the transaction that locks the drawer."""
    query = (
        f"{_TO_TAKE_CTES} INSERT INTO drawer_lines (company_id, drawer_ref, clinic_id, {_LINE_COLUMNS}) "
        f"SELECT :company_id, :drawer_ref, :clinic_id, {_LINE_COLUMNS} FROM found"
    )
    tx.execute(text(query), _parameters(drawer))


def read(tx: Transaction, drawer: StoredDrawer, scope: Scope = EVERYTHING) -> list[DrawerLine]:
    """Return the payments of a drawer by method: those that it took or, while it is open, would take now.

    `scope` decides whether printed keys begin with the company.
    """
    query = (
        f"{_source(drawer)} SELECT {printed_key(scope, 'lines')} AS payment, lines.company_id AS company, "
        "lines.clinic_id AS clinic, found.patient_id AS patient, patient_name, found.method, found.reference, "
        "charge_type, found.transaction_date, found.amount, was_taken_before "
        "FROM found JOIN lines ON lines.company_id = found.company_id AND lines.id = found.line_ref "
        f"{join_names('found')} ORDER BY found.method, found.transaction_date, lines.id"
    )
    found = tx.execute(text(query), _parameters(drawer) | scope_parameters(scope))
    return [_line(drawer, row) for row in found]


def sums(tx: Transaction, drawer: StoredDrawer) -> dict[Method, Money]:
    """Return the sums of a drawer's payments by method, in dollars. See `read`."""
    query = f"{_source(drawer)} SELECT method, sum(amount) FROM found GROUP BY method"
    return {Method(method): amount for method, amount in tx.execute(text(query), _parameters(drawer))}


def sums_of_locked(tx: Transaction, drawers: Iterable[StoredDrawer]) -> dict[int, dict[Method, Money]]:
    """Return the sums of the payments that locked drawers took, by the drawer's id and the method, in dollars."""
    locked = [each for each in drawers if each.locked_at is not None]
    query = (
        "SELECT drawer_ref, method, sum(amount) AS amount FROM drawer_lines "
        "JOIN unnest(CAST(:companies AS text[]), CAST(:ids AS bigint[])) AS asked(company_id, drawer_ref) "
        "USING (company_id, drawer_ref) GROUP BY drawer_ref, method"
    )
    keys = {"companies": [each.company_id for each in locked], "ids": [each.id for each in locked]}
    found: dict[int, dict[Method, Money]] = {}
    for row in tx.execute(text(query), keys):
        found.setdefault(row.drawer_ref, {})[Method(row.method)] = row.amount
    return found


def _source(drawer: StoredDrawer) -> str:
    return _TO_TAKE_CTES if drawer.locked_at is None else _TAKEN_CTE


def _parameters(drawer: StoredDrawer) -> dict[str, Any]:
    return {
        "company_id": drawer.company_id,
        "clinic_id": drawer.clinic_id,
        "drawer_ref": drawer.id,
        "day": drawer.day,
    }


def _line(drawer: StoredDrawer, row: Any) -> DrawerLine:
    values = row._asdict() | {
        "method": Method(row.method),
        "kind": line_kind(row.transaction_date, drawer.day, was_taken_before=row.was_taken_before),
    }
    del values["was_taken_before"]
    return DrawerLine(**values)
