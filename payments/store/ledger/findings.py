"""Findings, which people see as Billing Exceptions: at most one open finding per line (rule D6)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import RowMapping

from payments.core.finding import Finding, FindingReason, FindingStatus
from payments.core.line import Line
from payments.core.postponed_work import WorkItem
from payments.store.db.as_of import changed_at
from payments.store.db.bulk import arrays, insertion, unnest_item
from payments.store.db.conditions import is_here
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.tables import findings

_EXAMINED = (
    "line_ref company_id set_aside_ref version attempts reason_code closed_case amount_before amount_now proposal note"
).split()
_STORED = "id, line_ref, set_aside_ref, version, attempts, reason_code, status"
_OPENED = [*_EXAMINED, "status", "opened_at", "changed_at"]


class Examination(NamedTuple):
    """The result of examining one attempt at a line: the finding, with a note for the biller.

    For a version conflict, `dead_letter_id` and `attempts` are those of the dead letter in conflict.
    """

    line: Line
    finding: Finding
    note: str
    attempts: int | None
    dead_letter_id: int | None


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """A finding as it is stored. For a version conflict, `dead_letter_id` is the dead letter in conflict."""

    id: int
    line_ref: int
    dead_letter_id: int | None
    version: int
    attempts: int | None
    reason: FindingReason
    status: FindingStatus


def load_open(tx: Transaction, line_refs: Iterable[int]) -> dict[int, StoredFinding]:
    """Return the open findings of lines that this transaction has locked, by the row id of the line."""
    found = tx.execute(
        text(
            f"SELECT {_STORED} FROM "
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
        text(f"SELECT {_STORED} FROM findings WHERE id = ANY(:ids)"),
        {"ids": list(ids)},
    )
    return {row["id"]: _to_finding(row) for row in found.mappings()}


def companies(tx: Transaction, ids: Sequence[int]) -> list[str]:
    """Return the companies of findings, sorted."""
    found = tx.execute(
        text("SELECT DISTINCT company_id FROM findings WHERE findings.id = ANY(:ids) ORDER BY 1"),
        {"ids": list(ids)},
    )
    return list(found.scalars())


def add(tx: Transaction, examinations: Sequence[Examination], now: datetime) -> list[int]:
    """Open findings for lines that this transaction has locked.

    Return the row ids of the lines that got a new finding; a line that already has the same finding gets none.
    """
    if not examinations:
        return []
    rows = [_row(each) | {"status": FindingStatus.OPEN, "opened_at": now, "changed_at": now} for each in examinations]
    statement = insertion(findings, _OPENED, "ON CONFLICT DO NOTHING RETURNING line_ref")
    return list(tx.execute(text(statement), arrays(rows, _OPENED)).scalars())


def update(tx: Transaction, examinations: Mapping[int, Examination], now: datetime) -> None:
    """Replace the content of open findings, given by their ids, whose lines this transaction has locked."""
    rows = [_row(each) | {"id": finding_id} for finding_id, each in examinations.items()]
    columns = ["id", *_EXAMINED]
    assignments = ", ".join(f"{name} = new.{name}" for name in _EXAMINED)
    if rows:
        tx.execute(
            text(
                f"UPDATE findings SET {assignments}, {changed_at('findings')} FROM {unnest_item(findings, columns)} "
                "WHERE findings.id = new.id"
            ),
            arrays(rows, columns) | {"now": now},
        )


def close(tx: Transaction, ids: Sequence[int], status: FindingStatus, now: datetime, who: str) -> list[int]:
    """Give open findings their final status, and return the ids of those that were still open."""
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


def acceptable(tx: Transaction, company_id: str | None, *, policy: str | None = None) -> list[WorkItem]:
    """Return the open findings that can be accepted, oldest first, as items of recurring work.

    `company_id` limits them to one company; None means all. `policy` limits them to companies with this policy for
    adjustments, and to closed-month findings that have something to post (rule D6).
    """
    found = tx.execute(
        text(
            "SELECT lines.company_id, CAST(findings.id AS text) AS item_id FROM findings "
            "JOIN lines ON lines.company_id = findings.company_id AND lines.id = line_ref "
            "JOIN companies ON companies.company_id = lines.company_id "
            # Not if the payment waits to be evaluated again. An Amount Due of 0.00 needs a patient who is in Billing.
            "WHERE findings.status = 'open' AND findings.reason_code = ANY(:reasons) AND lines.application <> 'held' "
            "AND (findings.reason_code <> 'zero_due' OR EXISTS (SELECT FROM patients WHERE known_at IS NOT NULL "
            "AND (company_id, patient_id) = (lines.company_id, lines.patient_id))) "
            f"AND {is_here('lines')} AND (CAST(:company_id AS text) IS NULL OR lines.company_id = :company_id) "
            "AND (CAST(:policy AS text) IS NULL OR companies.adjustments = :policy "
            "AND findings.reason_code <> 'zero_due' AND jsonb_array_length(proposal) > 0) ORDER BY findings.id"
        ),
        {
            "reasons": [reason.value for reason in FindingReason if reason.can_be_accepted],
            "company_id": company_id,
            "policy": policy,
        },
    )
    return [WorkItem(**row) for row in found.mappings()]


def _to_finding(row: RowMapping) -> StoredFinding:
    return StoredFinding(
        id=row["id"],
        line_ref=row["line_ref"],
        dead_letter_id=row["set_aside_ref"],
        version=row["version"],
        attempts=row["attempts"],
        reason=FindingReason(row["reason_code"]),
        status=FindingStatus(row["status"]),
    )


def _row(examination: Examination) -> dict[str, Any]:
    finding = examination.finding
    return {
        "line_ref": examination.line.id,
        "company_id": examination.line.company_id,
        "set_aside_ref": examination.dead_letter_id,
        "version": examination.line.version,
        "attempts": examination.attempts,
        "reason_code": finding.reason,
        "closed_case": finding.case,
        "amount_before": finding.amount_before,
        "amount_now": finding.amount_now,
        "proposal": json.dumps([_as_json(adjustment._asdict()) for adjustment in finding.proposal]),
        "note": examination.note,
    }


def _as_json(fields: dict[str, Any]) -> dict[str, str | None]:
    return {name: None if value is None else str(value) for name, value in fields.items()}
