"""Findings, which users see as Billing Exceptions. A line has at most one open finding (rule D6)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import RowMapping

from payments.core.finding import Finding, FindingReason, FindingStatus
from payments.core.line import Line
from payments.store.db.as_of import changed_at
from payments.store.db.bulk import column_arrays, insert_statement, unnest_item
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.tables import findings

_CONTENT_COLUMNS = (
    "line_ref company_id set_aside_ref version attempts reason_code closed_case amount_before amount_now proposal note"
).split()
_STORED_COLUMNS = (
    "id, line_ref, set_aside_ref, version, attempts, reason_code, status, ended_at, undone_at, "
    "settled_notes_before, owner"
)
_INSERTED_COLUMNS = [*_CONTENT_COLUMNS, "status", "opened_at", "changed_at"]


class Examination(NamedTuple):
    """The result of examining one attempt at a line: its finding, and the codes of a note for the biller.

    For a version conflict, `dead_letter_id` and `attempts` are those of the conflicting dead letter.
    """

    line: Line
    finding: Finding
    note: str
    attempts: int | None
    dead_letter_id: int | None


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """A finding as it is stored. For a version conflict, `dead_letter_id` is the conflicting dead letter.

    `undone_at` is the time at which a user undid the last decision. `hash_before` is the line's `acknowledged_hash`
    from before the decision. It is None if there is no decision, or if the decision is older than the column. `owner`
    is a user's name.
    """

    id: int
    line_ref: int
    dead_letter_id: int | None
    version: int
    attempts: int | None
    reason: FindingReason
    status: FindingStatus
    ended_at: datetime | None
    undone_at: datetime | None
    hash_before: bytes | None
    owner: str | None


class Decision(NamedTuple):
    """A user's decision on a finding: its time, the user, and the line's `acknowledged_hash` from before it."""

    at: datetime
    who: str
    hash_before: bytes | None


def load_open(tx: Transaction, line_refs: Iterable[int]) -> dict[int, StoredFinding]:
    """Return the open findings of lines that this transaction has locked, by row id of the line."""
    found = tx.execute(
        text(
            f"SELECT {_STORED_COLUMNS} FROM "
            "(SELECT company_id AS company, id AS ref FROM lines WHERE id = ANY(:refs)) AS asked, "
            "LATERAL (SELECT * FROM findings "
            "WHERE company_id = company AND line_ref = ref AND status = 'open' OFFSET 0) AS open"
        ),
        {"refs": sorted(line_refs)},
    )
    return {row["line_ref"]: _to_finding(row) for row in found.mappings()}


def load(tx: Transaction, ids: Sequence[int]) -> dict[int, StoredFinding]:
    """Return findings by their ids, open or not."""
    found = tx.execute(
        text(f"SELECT {_STORED_COLUMNS} FROM findings WHERE id = ANY(:ids)"),
        {"ids": list(ids)},
    )
    return {row["id"]: _to_finding(row) for row in found.mappings()}


def newest_of_line(tx: Transaction, company_id: str, line_ref: int) -> int | None:
    """Return the id of the newest finding of a line, open or not; None if the line never had a finding."""
    query = "SELECT max(id) FROM findings WHERE company_id = :company_id AND line_ref = :line_ref"
    newest: int | None = tx.execute(text(query), {"company_id": company_id, "line_ref": line_ref}).scalar_one()
    return newest


def decided_of_attempt(tx: Transaction, line: Line) -> StoredFinding | None:
    """Return the acknowledged or resolved closed-month finding of the present attempt at a line, or None."""
    query = (
        f"SELECT {_STORED_COLUMNS} FROM findings WHERE company_id = :company_id AND line_ref = :line_ref "
        "AND version = :version AND (attempts IS NULL OR attempts = :attempts) AND reason_code = 'closed_month' "
        "AND status IN ('acknowledged', 'resolved') ORDER BY id DESC LIMIT 1"
    )
    of_attempt = {name: getattr(line, name) for name in ("company_id", "version", "attempts")}
    row = tx.execute(text(query), of_attempt | {"line_ref": line.id}).mappings().one_or_none()
    return _to_finding(row) if row else None


def read_locked(tx: Transaction, finding_id: int) -> StoredFinding | None:
    """Lock a finding and return it, or None if there is none with this id. Locks: the finding FOR NO KEY UPDATE."""
    query = f"SELECT {_STORED_COLUMNS} FROM findings WHERE id = :id FOR NO KEY UPDATE"
    row = tx.execute(text(query), {"id": finding_id}).mappings().one_or_none()
    return _to_finding(row) if row else None


def list_companies(tx: Transaction, ids: Sequence[int]) -> list[str]:
    """Return the companies of findings, sorted."""
    found = tx.execute(
        text("SELECT DISTINCT company_id FROM findings WHERE findings.id = ANY(:ids) ORDER BY 1"),
        {"ids": list(ids)},
    )
    return list(found.scalars())


def add(tx: Transaction, examinations: Sequence[Examination], now: datetime) -> dict[int, int]:
    """Open findings for lines that this transaction has locked. Return the ids of the findings by row id of the line.

    If a line already has the same finding, none is added.
    """
    if not examinations:
        return {}
    rows = [
        _to_row(each) | {"status": FindingStatus.OPEN, "opened_at": now, "changed_at": now} for each in examinations
    ]
    statement = insert_statement(findings, _INSERTED_COLUMNS, "ON CONFLICT DO NOTHING RETURNING line_ref, id")
    return {row.line_ref: row.id for row in tx.execute(text(statement), column_arrays(rows, _INSERTED_COLUMNS))}


def update(tx: Transaction, examinations: Mapping[int, Examination], now: datetime) -> None:
    """Replace the content of open findings. `examinations` maps their ids to the new content.

    This transaction has locked the lines of the findings.
    """
    rows = [_to_row(each) | {"id": finding_id} for finding_id, each in examinations.items()]
    columns = ["id", *_CONTENT_COLUMNS]
    assignments = ", ".join(f"{name} = new.{name}" for name in _CONTENT_COLUMNS)
    if rows:
        tx.execute(
            text(
                f"UPDATE findings SET {assignments}, {changed_at('findings')} FROM {unnest_item(findings, columns)} "
                "WHERE findings.id = new.id"
            ),
            column_arrays(rows, columns) | {"now": now},
        )


def close(tx: Transaction, ids: Sequence[int], status: FindingStatus, now: datetime, who: str) -> list[int]:
    """Give open findings their final status. Return the ids of the findings that were still open."""
    if not ids:
        return []
    closed = tx.execute(
        text(
            f"UPDATE findings SET status = :status, ended_at = :now, ended_by = :who, {changed_at('findings')} "
            "WHERE id = ANY(:ids) AND status = 'open' RETURNING id"
        ),
        {"ids": list(ids), "status": status, "now": now, "who": who},
    )
    return list(closed.scalars())


def store_decision(tx: Transaction, finding_id: int, status: FindingStatus, decision: Decision) -> None:
    """Give an open finding the status that a user has decided. This transaction has locked its line."""
    tx.execute(
        text(
            "UPDATE findings SET status = :status, ended_at = :at, ended_by = :who, "
            f"settled_notes_before = :hash_before, {changed_at('findings', ':at')} WHERE id = :id AND status = 'open'"
        ),
        {"id": finding_id, "status": status, **decision._asdict()},
    )


def reopen(tx: Transaction, finding_id: int, found: Finding | None, now: datetime) -> None:
    """Open a finding again, because a user has undone its decision. This transaction has locked its line.

    `found` is the finding's new content. If it is None, the content is not changed.
    """
    content = (
        ""
        if found is None
        else (
            "closed_case = :closed_case, amount_before = :amount_before, amount_now = :amount_now, "
            "proposal = CAST(:proposal AS jsonb), "
        )
    )
    values = {} if found is None else _content_row(found)
    tx.execute(
        text(
            f"UPDATE findings SET {content}status = 'open', ended_at = NULL, ended_by = NULL, undone_at = :now, "
            f"settled_notes_before = NULL, {changed_at('findings')} WHERE id = :id AND status <> 'open'"
        ),
        {"id": finding_id, "now": now, **values},
    )


def _to_finding(row: RowMapping) -> StoredFinding:
    return StoredFinding(
        id=row["id"],
        line_ref=row["line_ref"],
        dead_letter_id=row["set_aside_ref"],
        version=row["version"],
        attempts=row["attempts"],
        reason=FindingReason(row["reason_code"]),
        status=FindingStatus(row["status"]),
        ended_at=row["ended_at"],
        undone_at=row["undone_at"],
        hash_before=row["settled_notes_before"],
        owner=row["owner"],
    )


def _to_row(examination: Examination) -> dict[str, Any]:
    finding = examination.finding
    return {
        "line_ref": examination.line.id,
        "company_id": examination.line.company_id,
        "set_aside_ref": examination.dead_letter_id,
        "version": examination.line.version,
        "attempts": examination.attempts,
        "reason_code": finding.reason,
        "note": examination.note,
        **_content_row(finding),
    }


def _content_row(finding: Finding) -> dict[str, Any]:
    return {
        "closed_case": finding.case,
        "amount_before": finding.amount_before,
        "amount_now": finding.amount_now,
        "proposal": json.dumps([_as_json(adjustment._asdict()) for adjustment in finding.proposal]),
    }


def _as_json(fields: dict[str, Any]) -> dict[str, str | None]:
    return {name: None if value is None else str(value) for name, value in fields.items()}
