"""The payment of each entry of the Patient Payment Log, and the part of the entry that is not applied to a charge.

Each entry belongs to a source. A source is a line with its linked manual entries, or a manual entry that belongs to no
line, with its reversal. Of the entries of a source, a patient's newest entries show the part that is not applied,
because the oldest money is applied first (rule D8).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row

from payments.contract.money import Money
from payments.core.scope import Scope
from payments.store.db.as_of import as_of_query
from payments.store.db.conditions import scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.line_entries import entries_of_line
from payments.store.db.printed_key import printed_key
from payments.store.db.statement import text
from payments.store.reports.applied_amounts import AppliedRow, load_applied_amounts, load_applied_amounts_of_entries

_UNASSIGNED_QUERY = """
SELECT id, payment, CASE
    WHEN sign(left_over) <> sign(amount) THEN 0.00
    WHEN amount > 0 THEN greatest(0.00, least(amount, left_over - later))
    ELSE least(0.00, greatest(amount, left_over - later)) END AS unassigned, source
FROM (
    SELECT id, payment, amount, source, sum(amount) OVER (PARTITION BY source, patient_id) AS left_over,
        coalesce(sum(amount) OVER (PARTITION BY source, patient_id, id IS NULL, sign(amount) ORDER BY id DESC
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0.00) AS later
    FROM {moved}
) AS of_sources
WHERE id IS NOT NULL
"""
# Each table is read by its index of lines, which is the only one that serves the condition: a plan without statistics
# cannot be a bad one.
_OF_LINES = f"""
unnest(CAST(:line_refs AS bigint[])) AS asked(source),
    LATERAL (SELECT company_id, {{payment}} AS payment FROM lines WHERE lines.id = asked.source OFFSET 0) AS line,
    LATERAL (SELECT id, patient_id, amount FROM ({entries_of_line("line.company_id", "asked.source")}) AS own
        UNION ALL
        SELECT NULL, patient_id, -amount FROM allocations
        WHERE allocations.company_id = line.company_id AND allocations.line_ref = asked.source) AS moved
"""
_OF_ENTRIES = """
unnest(CAST(:companies AS text[]), CAST(:patients AS text[]), CAST(:entry_refs AS bigint[]))
        AS asked(company_id, patient_id, source),
    LATERAL (SELECT id, NULL AS payment, amount FROM entries
        WHERE entries.company_id = asked.company_id AND entries.patient_id = asked.patient_id
            AND entries.line_ref IS NULL AND coalesce(entries.reverses, entries.id) = asked.source
        UNION ALL
        SELECT NULL, NULL, -amount FROM allocations
        WHERE allocations.company_id = asked.company_id AND allocations.entry_ref = asked.source) AS moved
"""
_LINKS_QUERY = """
SELECT entry_links.entry_ref, entry_links.line_ref
FROM unnest(CAST(:companies AS text[]), CAST(:entry_refs AS bigint[])) AS asked(company_id, entry_ref) JOIN entry_links
    ON entry_links.company_id = asked.company_id AND entry_links.entry_ref = asked.entry_ref AND ended_at IS NULL
"""


class EntryDetails(NamedTuple):
    """The values that reports add to an entry. `payment` is the printed key of its payment, or None.

    `unassigned` is the amount of the entry that is not applied to a charge, in dollars. `source` is the row id of a
    line or, if `is_of_line` is False, of a manual entry.
    """

    payment: str | None
    unassigned: Money
    source: int
    is_of_line: bool


def load(tx: Transaction, entries: Sequence[Row[Any]], scope: Scope, as_of: datetime | None) -> dict[int, EntryDetails]:
    """Return the details of each entry, by entry id.

    Each row of `entries` needs the columns `id`, `company_id`, `patient_id`, `line_ref` and `reverses`.
    """
    manual = [each for each in entries if each.line_ref is None]
    links = _links(tx, manual, as_of)
    line_refs = {each.line_ref for each in entries} - {None} | set(links.values())
    found: dict[int, EntryDetails] = {}
    if line_refs:
        moved = _OF_LINES.format(payment=printed_key(scope, "lines"))
        parameters = {"line_refs": [*line_refs], **scope_parameters(scope)}
        found |= _details(tx, moved, parameters, as_of, is_of_line=True)
    if free := [each for each in manual if each.id not in links]:
        sources = {(each.company_id, each.patient_id, each.reverses or each.id) for each in free}
        names = ("companies", "patients", "entry_refs")
        parameters = dict(zip(names, (list(values) for values in zip(*sources, strict=True)), strict=True))
        found |= _details(tx, _OF_ENTRIES, parameters, as_of, is_of_line=False)
    return found


def load_applied(
    tx: Transaction, entries: Sequence[Row[Any]], details: dict[int, EntryDetails], as_of: datetime | None
) -> list[Sequence[AppliedRow]]:
    """Return for each entry the amounts of its source that are applied to charges of the entry's patient."""
    of_lines = load_applied_amounts(tx, [*{each.source for each in details.values() if each.is_of_line}], as_of)
    free = {(each.company_id, found.source) for each in entries if not (found := details[each.id]).is_of_line}
    of_entries = load_applied_amounts_of_entries(tx, [*free], as_of) if free else {}
    return [
        (of_lines if (found := details[each.id]).is_of_line else of_entries).get((found.source, each.patient_id), ())
        for each in entries
    ]


def _details(
    tx: Transaction, moved: str, parameters: dict[str, Any], as_of: datetime | None, *, is_of_line: bool
) -> dict[int, EntryDetails]:
    query = as_of_query(as_of, "entries allocations entry_links", _UNASSIGNED_QUERY.format(moved=moved))
    rows = tx.execute(text(query), parameters | {"as_of": as_of})
    return {row.id: EntryDetails(row.payment, row.unassigned, row.source, is_of_line) for row in rows}


def _links(tx: Transaction, manual: Sequence[Row[Any]], as_of: datetime | None) -> dict[int, int]:
    """Return the row ids of the lines to which manual entries are linked, by the ids of the entries."""
    if not manual:
        return {}
    parameters = {"companies": [each.company_id for each in manual], "entry_refs": [each.id for each in manual]}
    found = tx.execute(text(as_of_query(as_of, "entry_links", _LINKS_QUERY)), parameters | {"as_of": as_of})
    return {row.entry_ref: row.line_ref for row in found}
