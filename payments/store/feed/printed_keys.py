"""Find the payments that printed keys name: lines and dead letters of any company."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row

from payments.contract.keys import KeyReading, LineKey, LocalKey
from payments.core.ambiguity import AmbiguousIdError
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.bulk import column_arrays, unnest_item
from payments.store.db.conditions import in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.tables import lines


class NamedPayments(NamedTuple):
    """The payments that one printed key names. They belong to one company.

    `keys` are the keys of its lines. If no line has the printed key, they are the keys of its dead letters. If `keys`
    is empty, `dead_letter_ids` are the dead letters with this key whose company is unreadable.
    """

    keys: Sequence[LineKey] = ()
    dead_letter_ids: Sequence[int] = ()


_KEY_COLUMNS = list(LocalKey._fields)
_NAMED_COLUMNS = ", ".join(f"named.{name}" for name in _KEY_COLUMNS)
_LINE_RANK, _OPEN_RANK, _CLOSED_RANK, _OWNERLESS_RANK = range(4)
"""The ranks of rows that a key may name: line, open dead letter, closed dead letter, dead letter without a company."""
# The lines of each company that has the clinic, through the index of their key.
_FIND_QUERY = f"""
WITH named AS (SELECT DISTINCT * FROM {unnest_item(lines, _KEY_COLUMNS)})
SELECT {_LINE_RANK} AS rank, {_NAMED_COLUMNS}, clinics.company_id, NULL::bigint AS id
FROM named JOIN clinics USING (clinic_id), LATERAL (
    SELECT FROM lines WHERE lines.company_id = clinics.company_id AND lines.clinic_id = named.clinic_id
        AND lines.payment_id = named.payment_id AND lines.line_id = named.line_id LIMIT 1) AS line
UNION ALL
SELECT CASE WHEN company_id IS NULL THEN {_OWNERLESS_RANK} WHEN closed_at IS NULL THEN {_OPEN_RANK}
    ELSE {_CLOSED_RANK} END, {_NAMED_COLUMNS}, company_id, letter.id FROM named, LATERAL (
    SELECT company_id, id, closed_at FROM set_aside WHERE set_aside.clinic_id = named.clinic_id
        AND set_aside.payment_id = named.payment_id AND set_aside.line_id = named.line_id OFFSET 0) AS letter
ORDER BY rank, company_id, id
"""


def find(tx: Transaction, texts: Iterable[str], scope: Scope = EVERYTHING) -> dict[str, NamedPayments]:
    """Find the payments of a scope by their printed keys. Return them by the given text of the key.

    A text is `clinic/payment/line`, with or without `company:` before it.

    Raises AmbiguousIdError if a text names payments of several companies in the scope.
    """
    readings = {each: [*KeyReading.parse_all(each)] for each in texts}
    rows = [reading.key._asdict() for each in readings.values() for reading in each]
    if not rows:
        return dict.fromkeys(readings, NamedPayments())
    found = tx.execute(text(_FIND_QUERY), column_arrays(rows, _KEY_COLUMNS)).all()
    visible = [row for row in found if scope.may_see(row.company_id, row.clinic_id)]
    return {
        each: _named_payments(each, [row for row in visible if _matches_reading(row, own)])
        for each, own in readings.items()
    }


def _matches_reading(row: Row[Any], readings: Sequence[KeyReading]) -> bool:
    key = _local_key(row)
    return KeyReading(None, key) in readings or KeyReading(row.company_id, key) in readings


def _local_key(row: Row[Any]) -> LocalKey:
    return LocalKey(row.clinic_id, row.payment_id, row.line_id)


def dead_letters_in_scope(tx: Transaction, ids: Sequence[int], scope: Scope) -> list[int]:
    """Return the ids of the given dead letters that are in a scope, sorted."""
    query = f"SELECT id FROM set_aside WHERE id = ANY(:ids){in_scope(scope, 'set_aside')} ORDER BY id"
    return list(tx.execute(text(query), {"ids": list(ids), **scope_parameters(scope)}).scalars())


def _named_payments(key: str, found: Sequence[Row[Any]]) -> NamedPayments:
    """Return the payments that a key names. `found` are the rows with this key, sorted by rank.

    A company that has only closed dead letters with this key counts only if no other company has the key. Otherwise
    old dead letters would make the key of another company ambiguous. Raises AmbiguousIdError if several count.
    """
    open_companies = {row.company_id for row in found if row.rank in {_LINE_RANK, _OPEN_RANK}}
    companies = open_companies or {row.company_id for row in found if row.rank == _CLOSED_RANK}
    if len(companies) > 1:
        raise AmbiguousIdError(f"payment {key}", companies)
    own = [row for row in found if row.company_id in companies]
    if not own:
        return NamedPayments(dead_letter_ids=[row.id for row in found])
    shown = [row for row in own if row.rank == _LINE_RANK] or own
    return NamedPayments(list(dict.fromkeys(LineKey(row.company_id, *_local_key(row)) for row in shown)))
