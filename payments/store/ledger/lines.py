"""The lines of payments: locked, read with what stands in the ledger for them, and written back as a set."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter

from psycopg.errors import UniqueViolation
from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError

from payments.contract.event import ChargeType, LineKey, Method, PaymentSaved
from payments.core.line import EntryDimensions, LedgerPosting, Line
from payments.store.db.as_of import changed_at
from payments.store.db.bulk import append, arrays, unnested
from payments.store.db.connection import ConcurrentWriteError, Transaction
from payments.store.db.statement import text
from payments.store.ledger.outcome_columns import OutcomeColumns, outcome_of, to_columns
from payments.store.tables import lines

_CONTENT = (
    "charge_type amount_due amount_paid paid internal_payment method transaction_date date_of_service "
    "case_id provider_id reference memo refund_of"
).split()
_KEY = ["clinic_id", "payment_id", "line_id"]
_REST = "company_id patient_id version deleted saved_at saved_on content_hash attempts requeued_at".split()
_WRITTEN = [*_KEY, *_REST, "settled_notes", *_CONTENT, *OutcomeColumns._fields, "changed_at"]
_WAITS = "(lines.application = 'held' OR lines.reason = 'patient_not_found')"
_rest_values, _content_values = attrgetter(*_REST, "acknowledged_hash"), attrgetter(*_CONTENT)
_NO_CONTENT = (None,) * len(_CONTENT)


# A lock that leaves the key alone: adding an allocation or a finding, which names its line, waits for none of these.


def lock(tx: Transaction, keys: Iterable[LineKey]) -> dict[LineKey, Line]:
    """Lock the lines that exist under these keys, always in the same order, and return them."""
    wanted = [key._asdict() for key in sorted(set(keys))]
    if not wanted:
        return {}
    found = tx.execute(
        text(
            # One by one through the index: left alone, the planner reads the whole of a table that is not yet large.
            f"SELECT locked.* FROM (SELECT * FROM {unnested(lines, _KEY)} ORDER BY 1, 2, 3) AS wanted, LATERAL "
            "(SELECT * FROM lines WHERE clinic_id = wanted.clinic_id AND payment_id = wanted.payment_id "
            "AND line_id = wanted.line_id LIMIT 1 FOR NO KEY UPDATE) AS locked"
        ),
        arrays(wanted, _KEY),
    )
    return _with_postings(tx, found.mappings().all())


def lock_due(tx: Transaction, now: datetime, limit: int) -> dict[LineKey, Line]:
    """Lock up to `limit` lines that are due, passing over those that another worker holds."""
    found = tx.execute(
        text("SELECT * FROM lines WHERE due_at <= :now ORDER BY due_at, id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED"),
        {"now": now, "limit": limit},
    )
    return _with_postings(tx, found.mappings().all())


def lock_by_id(tx: Transaction, line_refs: Iterable[int], *, wait: bool) -> dict[LineKey, Line]:
    """Lock lines by their row numbers; without `wait`, pass over those that another worker holds."""
    found = tx.execute(
        text(
            "SELECT * FROM lines WHERE id = ANY(:refs) ORDER BY clinic_id, payment_id, line_id FOR NO KEY UPDATE "
            + ("" if wait else "SKIP LOCKED")
        ),
        {"refs": sorted(set(line_refs))},
    )
    return _with_postings(tx, found.mappings().all())


def write(tx: Transaction, changed: Sequence[Line], now: datetime) -> dict[LineKey, int]:
    """Write lines back as of now and return their ids. They are new (no id yet) or locked by this transaction.

    Raises LostRaceError when another worker has created one of the new lines in the meantime.
    """
    ids = {line.key: line.id for line in changed if line.id is not None}
    kept = [line for line in changed if line.id is not None]
    if kept:
        columns = ["id", *_WRITTEN[len(_KEY) :]]
        assignments = ", ".join(f"{name} = new.{name}" for name in columns[1:-1])
        tx.execute(
            # Named twice, so that the rows are found by the index and not by reading the whole table.
            text(
                f"UPDATE lines SET {assignments}, {changed_at('lines', 'new.changed_at')} "
                f"FROM {unnested(lines, columns)} "
                "WHERE lines.id = new.id AND lines.id = ANY(:id)"
            ),
            {
                name: list(values)
                for name, values in zip(
                    columns, zip(*((*_kept_values(line), now) for line in kept), strict=True), strict=True
                )
            },
        )
    return ids | _create(tx, sorted((line for line in changed if line.id is None), key=lambda line: line.key), now)


def _create(tx: Transaction, new: Sequence[Line], now: datetime) -> dict[LineKey, int]:
    """Add lines, by a COPY: it costs less than an INSERT that has to look for what is there already."""
    if not new:
        return {}
    reserved = text("SELECT nextval('lines_id_seq') FROM generate_series(1, :count)")
    ids = dict(zip((line.key for line in new), tx.execute(reserved, {"count": len(new)}).scalars(), strict=True))
    try:
        append(tx, lines, ["id", *_WRITTEN], ((ids[line.key], *_values(line), now) for line in new))
    except IntegrityError as error:
        if isinstance(error.orig, UniqueViolation):
            raise ConcurrentWriteError(f"one of {len(new)} new lines was created by another worker") from error
        raise
    return ids


def waiting_for(tx: Transaction, patients: Iterable[tuple[str, str]]) -> set[LineKey]:
    """Return the lines that wait for one of these (company, patient), or were given up for want of one."""
    rows = [{"company_id": company_id, "patient_id": patient_id} for company_id, patient_id in patients]
    columns = ["company_id", "patient_id"]
    found = tx.execute(
        text(
            f"SELECT clinic_id, payment_id, line_id FROM lines JOIN {unnested(lines, columns)} "
            f"USING (company_id, patient_id) WHERE {_WAITS}"
        ),
        arrays(rows, columns),
    )
    return {LineKey(*key) for key in found}


def release(tx: Transaction, waiting: Iterable[Line], now: datetime) -> int:
    """Make lines due that this transaction holds and that still wait, and return how many that is.

    They are due since their save: under a clock that is set back meanwhile, `now` would still be to come.
    """
    refs = [line.id for line in waiting]
    if not refs:
        return 0
    released = tx.execute(
        text(
            f"UPDATE lines SET due_at = least(saved_at, :now), {changed_at('lines')} WHERE id = ANY(:refs) AND {_WAITS}"
        ),
        {"refs": refs, "now": now},
    )
    return released.rowcount


def printed_keys(tx: Transaction, line_refs: Iterable[int]) -> dict[int, str]:
    """Return how the keys of lines print, by their row numbers."""
    query = "SELECT id, clinic_id || '/' || payment_id || '/' || line_id AS payment FROM lines WHERE id = ANY(:refs)"
    found = tx.execute(text(query), {"refs": sorted(set(line_refs))})
    return {row.id: row.payment for row in found}


def _with_postings(tx: Transaction, rows: Sequence[RowMapping]) -> dict[LineKey, Line]:
    postings: dict[int, list[LedgerPosting]] = {row["id"]: [] for row in rows}
    if postings:
        found = tx.execute(
            text(
                "SELECT line_ref, amount, patient_id, charge_type, method, provider_id, date_of_service, deposit_date "
                "FROM entries WHERE line_ref = ANY(:refs) ORDER BY id"
            ),
            {"refs": list(postings)},
        )
        for ref, amount, patient_id, charge_type, method, *rest in found:
            dimensions = EntryDimensions(patient_id, ChargeType(charge_type), Method(method), *rest)
            postings[ref].append(LedgerPosting(amount, dimensions))
    found_lines = (_line(row, tuple(postings[row["id"]])) for row in rows)
    return {line.key: line for line in found_lines}


def _line(row: RowMapping, postings: tuple[LedgerPosting, ...]) -> Line:
    key = LineKey(row["clinic_id"], row["payment_id"], row["line_id"])
    return Line(
        key=key,
        company_id=row["company_id"],
        patient_id=row["patient_id"],
        version=row["version"],
        deleted=row["deleted"],
        saved_at=row["saved_at"],
        saved_on=row["saved_on"],
        content_hash=row["content_hash"],
        content=_content(row) if row["charge_type"] else None,
        outcome=outcome_of(row),
        attempts=row["attempts"],
        requeued_at=row["requeued_at"],
        postings=postings,
        acknowledged_hash=row["settled_notes"],
        id=row["id"],
    )


def _content(row: RowMapping) -> PaymentSaved:
    """Return what the EMR saved; it was validated when it came, so it is not validated again."""
    named = {name: row[name] for name in (*_KEY, "company_id", "patient_id", "version", "saved_at", *_CONTENT)}
    named["charge_type"] = ChargeType(row["charge_type"])
    named["method"] = Method(row["method"])
    return PaymentSaved.model_construct(type="payment.saved", **named)


def _values(line: Line) -> tuple[object, ...]:
    """Return what is written of a line, in the order of `_WRITTEN` up to its moment."""
    content = _content_values(line.content) if line.content else _NO_CONTENT
    return (*line.key, *_rest_values(line), *content, *to_columns(line.outcome))


def _kept_values(line: Line) -> tuple[object, ...]:
    return (line.id, *_values(line)[len(_KEY) :])
