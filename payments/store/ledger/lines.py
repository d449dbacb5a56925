"""Load and lock lines together with their postings, and write lines back in bulk."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from psycopg.errors import UniqueViolation
from psycopg.rows import dict_row
from sqlalchemy.exc import IntegrityError

from payments.contract.event import ChargeType, Method, PaymentSaved
from payments.contract.keys import LineKey, LocalKey
from payments.contract.plain_payment import validated_payment
from payments.core.due_selection import DueSelection
from payments.core.line import EntryDimensions, LedgerPosting, Line
from payments.core.scope import Scope
from payments.store.db.as_of import changed_at
from payments.store.db.bulk import FEW_ROWS, Row, append, append_few, key_arrays, unnest_item
from payments.store.db.conditions import has_not_moved, scope_parameters
from payments.store.db.connection import ConcurrentWriteError, Transaction
from payments.store.db.fair_shares import due_rows
from payments.store.db.line_entries import entries_of_line
from payments.store.db.pipeline import Query, defer, fetch
from payments.store.db.printed_key import printed_key
from payments.store.db.statement import text
from payments.store.ledger.outcome_columns import OutcomeColumns, outcome_of, to_columns
from payments.store.tables import lines

_CONTENT_COLUMNS = (
    "charge_type amount_due amount_paid paid internal_payment method transaction_date date_of_service "
    "case_id provider_id reference memo refund_of"
).split()
_KEY_COLUMNS = list(LineKey._fields)
_KEY_LIST, _ENTRIES_ASKED = ", ".join(_KEY_COLUMNS), entries_of_line("asked.company_id", "asked.ref")
_OTHER_COLUMNS = "patient_id version deleted saved_at saved_on content_hash attempts requeued_at".split()
_OUTCOME_COLUMNS = OutcomeColumns._fields
_WRITTEN_COLUMNS = [*_KEY_COLUMNS, *_OTHER_COLUMNS, "settled_notes", *_CONTENT_COLUMNS, *_OUTCOME_COLUMNS, "changed_at"]
_DUE_QUERY = due_rows("lines", "FOR NO KEY UPDATE SKIP LOCKED")
_DUE_AMONG_QUERY = (
    f"SELECT * FROM lines WHERE due_at <= :now AND id = ANY(:only) AND {has_not_moved('lines')} "
    "ORDER BY due_at, id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED"
)
_rest_values, _content_values = attrgetter(*_OTHER_COLUMNS, "acknowledged_hash"), attrgetter(*_CONTENT_COLUMNS)
_NO_CONTENT = (None,) * len(_CONTENT_COLUMNS)

# All locks are FOR NO KEY UPDATE. An allocation or a finding has a foreign key to its line, and inserting one does not
# wait for this lock.


def lock(tx: Transaction, keys: Iterable[LineKey]) -> dict[LineKey, Line]:
    """Lock the lines that exist under these keys, and return them by key.

    Locks: FOR NO KEY UPDATE, in the order of the keys.
    """
    return with_postings(tx, fetch(tx, lock_query(keys)))


def lock_query(keys: Iterable[LineKey]) -> Query[list[Row]]:
    """Return the query of `lock`. Pass the rows that the query returns to `with_postings`."""
    wanted = sorted(set(keys))
    statement = (
        # Row by row through the index. Otherwise the planner scans the whole table while it is small.
        f"SELECT locked.* FROM (SELECT * FROM {unnest_item(lines, _KEY_COLUMNS)} ORDER BY 1, 2, 3, 4) AS wanted, "
        "LATERAL (SELECT * FROM lines WHERE company_id = wanted.company_id AND clinic_id = wanted.clinic_id "
        "AND payment_id = wanted.payment_id AND line_id = wanted.line_id LIMIT 1 FOR NO KEY UPDATE) AS locked"
    )
    return Query(statement if wanted else "", key_arrays(wanted, _KEY_COLUMNS), list, dict_row)


def lock_due(tx: Transaction, now: datetime, due: DueSelection) -> dict[LineKey, Line]:
    """Lock the due lines that `due` selects, and return them by key. Companies get equal shares of the limit.

    Locks: FOR NO KEY UPDATE. Lines that another transaction has locked are skipped.
    """
    query, only = (_DUE_QUERY, {}) if due.only is None else (_DUE_AMONG_QUERY, {"only": list(due.only)})
    found = tx.execute(text(query), {"now": now, "limit": due.limit} | only)
    return with_postings(tx, found.mappings().all())


def lock_by_id(tx: Transaction, line_refs: Iterable[int], *, wait: bool) -> dict[LineKey, Line]:
    """Lock lines by their row ids, and return them by key.

    Locks: FOR NO KEY UPDATE, in the order of the keys. If `wait` is False, lines that another transaction has locked
    are skipped.
    """
    found = tx.execute(
        text(
            f"SELECT * FROM lines WHERE id = ANY(:refs) ORDER BY {_KEY_LIST} FOR NO KEY UPDATE "
            + ("" if wait else "SKIP LOCKED")
        ),
        {"refs": sorted(set(line_refs))},
    )
    return with_postings(tx, found.mappings().all())


def write(
    tx: Transaction, changed: Sequence[Line], now: datetime, reserved_ids: Sequence[int] = ()
) -> dict[LineKey, int]:
    """Update lines that this transaction has locked, and insert lines without an id. Return the row ids of all, by key.

    New lines get the row ids in `reserved_ids`. If these are too few, other ids are reserved and used. Raises
    ConcurrentWriteError, at the latest with the COMMIT, if another worker has created one of the new lines meanwhile.
    """
    ids = {line.key: line.id for line in changed if line.id is not None}
    existing = [line for line in changed if line.id is not None]
    if existing:
        columns = ["id", *_WRITTEN_COLUMNS[len(_KEY_COLUMNS) :]]
        assignments = ", ".join(f"{name} = new.{name}" for name in columns[1:-1])
        defer(
            tx,
            # The second condition on the id makes PostgreSQL use the index instead of scanning the table.
            f"UPDATE lines SET {assignments}, {changed_at('lines', 'new.changed_at')} "
            f"FROM {unnest_item(lines, columns)} "
            "WHERE lines.id = new.id AND lines.id = ANY(:id)",
            {
                name: list(values)
                for name, values in zip(
                    columns, zip(*((*_values_by_id(line), now) for line in existing), strict=True), strict=True
                )
            },
        )
    new = sorted((line for line in changed if line.id is None), key=lambda line: line.key)
    if not new:
        return ids
    if len(reserved_ids) < len(new):
        reserved_ids = fetch(tx, reserve_query(len(new)))
    created = dict(zip((line.key for line in new), reserved_ids, strict=False))
    _create(tx, [(created[line.key], *_line_values(line), now) for line in new])
    return ids | created


def reserve_query(count: int) -> Query[list[int]]:
    """Return the query that reserves row ids for new lines."""
    return Query(
        "SELECT nextval('lines_id_seq') AS id FROM generate_series(1, :count)" if count else "",
        {"count": count},
        lambda rows: [row.id for row in rows],
    )


def _create(tx: Transaction, rows: Sequence[Sequence[object]]) -> None:
    """Insert rows by COPY, which is faster than INSERT ... ON CONFLICT. Send up to FEW_ROWS rows with the COMMIT."""
    conflict = ConcurrentWriteError(f"one of {len(rows)} new lines was created by another worker")
    columns = ["id", *_WRITTEN_COLUMNS]
    if len(rows) <= FEW_ROWS:
        append_few(tx, lines, columns, rows, conflict)
        return
    try:
        append(tx, lines, columns, rows)
    except IntegrityError as error:
        if isinstance(error.orig, UniqueViolation):
            raise conflict from error
        raise


def printed_keys(tx: Transaction, line_refs: Iterable[int], scope: Scope) -> dict[int, str]:
    """Return the printed keys of lines in a scope, by row id."""
    query = f"SELECT id, {printed_key(scope)} AS payment FROM lines WHERE id = ANY(:refs)"
    found = tx.execute(text(query), {"refs": sorted(set(line_refs)), **scope_parameters(scope)})
    return {row.id: row.payment for row in found}


def local_keys(tx: Transaction, line_refs: Iterable[int]) -> dict[int, str]:
    """Return the keys of lines without their company (`clinic/payment/line`), by row id."""
    query = "SELECT id, clinic_id, payment_id, line_id FROM lines WHERE id = ANY(:refs)"
    found = tx.execute(text(query), {"refs": sorted(set(line_refs))})
    return {row_id: str(LocalKey(*key)) for row_id, *key in found}


def with_postings(tx: Transaction, rows: Sequence[Any]) -> dict[LineKey, Line]:
    """Convert rows of the table `lines` to lines with their postings. Return the lines by key."""
    by_ref = {row["id"]: row for row in rows}
    postings: dict[int, list[LedgerPosting]] = {ref: [] for ref in by_ref}
    linked: Counter[int] = Counter()
    if postings:
        found = tx.execute(
            text(
                "SELECT ref, own.* FROM unnest(CAST(:companies AS text[]), CAST(:refs AS bigint[])) "
                f"AS asked(company_id, ref), LATERAL ({_ENTRIES_ASKED}) AS own ORDER BY id"
            ),
            {"companies": [row["company_id"] for row in rows], "refs": list(postings)},
        )
        for entry in found:
            row = by_ref[entry.ref]
            provider_id = entry.provider_id or (row["provider_id"] if entry.is_linked else None)
            served_on = entry.date_of_service or (row["date_of_service"] if entry.is_linked else None)
            charge_type, method = ChargeType(entry.charge_type), Method(entry.method)
            own = EntryDimensions(entry.patient_id, charge_type, method, provider_id, served_on, entry.deposit_date)
            postings[entry.ref].append(LedgerPosting(entry.amount, own))
            linked[entry.ref] += entry.is_linked
    found_lines = (_to_line(row, tuple(postings[row["id"]]), linked[row["id"]]) for row in rows)
    return {line.key: line for line in found_lines}


def _to_line(row: Row, postings: tuple[LedgerPosting, ...], linked_count: int) -> Line:
    key = LineKey(*(row[name] for name in _KEY_COLUMNS))
    return Line(
        key=key,
        patient_id=row["patient_id"],
        version=row["version"],
        deleted=row["deleted"],
        saved_at=row["saved_at"],
        saved_on=row["saved_on"],
        content_hash=row["content_hash"],
        content=_to_content(row) if row["charge_type"] else None,
        outcome=outcome_of(row),
        attempts=row["attempts"],
        requeued_at=row["requeued_at"],
        postings=postings,
        acknowledged_hash=row["settled_notes"],
        id=row["id"],
        linked_count=linked_count,
    )


def _to_content(row: Row) -> PaymentSaved:
    """Return the content that was last saved. It was validated on receipt, so it is not validated again."""
    named = {name: row[name] for name in (*_KEY_COLUMNS, "patient_id", "version", "saved_at", *_CONTENT_COLUMNS)}
    named["charge_type"] = ChargeType(row["charge_type"])
    named["method"] = Method(row["method"])
    return validated_payment(named | {"type": "payment.saved"})


def _line_values(line: Line) -> tuple[object, ...]:
    """Return the values of a line, in the order of `_WRITTEN_COLUMNS` without `changed_at`."""
    content = _content_values(line.content) if line.content else _NO_CONTENT
    return (*line.key, *_rest_values(line), *content, *to_columns(line.outcome))


def _values_by_id(line: Line) -> tuple[object, ...]:
    """Return the values of a line with its row id in place of its key."""
    return (line.id, *_line_values(line)[len(_KEY_COLUMNS) :])
