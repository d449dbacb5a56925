"""The office's exceptions: at most one open finding a line, each with what accepting it would post."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import RowMapping

from payments.core.finding import Finding, FindingReason, FindingStatus
from payments.core.line import Line
from payments.store.db.as_of import changed_at
from payments.store.db.bulk import arrays, insertion, unnested
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.tables import findings

_FOUND = "line_ref set_aside_ref version attempts reason closed_case amount_before amount_now proposal note".split()
_STORED = "id, line_ref, set_aside_ref, version, attempts, reason, status"
_OPENED = [*_FOUND, "status", "opened_at", "changed_at"]


class Examined(NamedTuple):
    """What was found about a line in which try of it, with a note for people.

    For a conflict, what counts are the event that is set aside and its tries.
    """

    line: Line
    finding: Finding
    note: str
    attempts: int | None
    dead_letter_id: int | None


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """A finding as it is stored."""

    id: int
    line_ref: int
    dead_letter_id: int | None
    version: int
    attempts: int | None
    reason: FindingReason
    status: FindingStatus


def open_for(tx: Transaction, line_refs: Iterable[int]) -> dict[int, StoredFinding]:
    """Return the open findings of lines that this transaction holds, by line."""
    found = tx.execute(
        text(f"SELECT {_STORED} FROM findings WHERE line_ref = ANY(:refs) AND status = 'open'"),
        {"refs": sorted(line_refs)},
    )
    return {row["line_ref"]: _stored(row) for row in found.mappings()}


def load(tx: Transaction, ids: Sequence[int]) -> dict[int, StoredFinding]:
    """Return findings by their ids, whatever became of them."""
    found = tx.execute(
        text(f"SELECT {_STORED} FROM findings WHERE id = ANY(:ids)"),
        {"ids": list(ids)},
    )
    return {row["id"]: _stored(row) for row in found.mappings()}


def add_open(tx: Transaction, found: Sequence[Examined], now: datetime) -> list[int]:
    """Open findings for lines that this transaction holds; return the lines that did not have this one already."""
    if not found:
        return []
    rows = [_row(each) | {"status": FindingStatus.OPEN, "opened_at": now, "changed_at": now} for each in found]
    statement = insertion(findings, _OPENED, "ON CONFLICT DO NOTHING RETURNING line_ref")
    return list(tx.execute(text(statement), arrays(rows, _OPENED)).scalars())


def recompute(tx: Transaction, found: Mapping[int, Examined], now: datetime) -> None:
    """Bring open findings, by their ids, up to date with their lines."""
    rows = [_row(each) | {"id": ref} for ref, each in found.items()]
    columns = ["id", *_FOUND]
    assignments = ", ".join(f"{name} = new.{name}" for name in _FOUND)
    if rows:
        tx.execute(
            text(
                f"UPDATE findings SET {assignments}, {changed_at('findings')} FROM {unnested(findings, columns)} "
                "WHERE findings.id = new.id"
            ),
            arrays(rows, columns) | {"now": now},
        )


def end(tx: Transaction, ids: Sequence[int], status: FindingStatus, now: datetime, who: str) -> list[int]:
    """End open findings, and return those that were still open."""
    if not ids:
        return []
    ended = tx.execute(
        text(
            f"UPDATE findings SET status = :status, ended_at = :now, ended_by = :who, {changed_at('findings')} "
            "WHERE id = ANY(:ids) AND status = 'open' RETURNING id"
        ),
        {"ids": list(ids), "status": status, "now": now, "who": who},
    )
    return list(ended.scalars())


def acceptable(tx: Transaction, company_id: str | None, *, policy: str | None = None) -> list[int]:
    """Return the open findings that can be accepted, oldest first: of one company, or of those with this policy."""
    found = tx.execute(
        text(
            "SELECT findings.id FROM findings JOIN lines ON lines.id = line_ref JOIN companies USING (company_id) "
            # What is being judged again cannot be accepted before that is done, nor what nobody is known to have paid.
            "WHERE findings.status = 'open' AND findings.reason = ANY(:reasons) AND lines.application <> 'held' "
            "AND (findings.reason <> 'Amount Due is 0.00' OR EXISTS (SELECT FROM patients WHERE known_at IS NOT NULL "
            "AND (company_id, patient_id) = (lines.company_id, lines.patient_id))) "
            "AND (CAST(:company_id AS text) IS NULL OR company_id = :company_id) "
            "AND (CAST(:policy AS text) IS NULL OR companies.adjustments = :policy "
            "AND findings.reason <> 'Amount Due is 0.00' AND jsonb_array_length(proposal) > 0) ORDER BY findings.id"
        ),
        {
            "reasons": [reason.value for reason in FindingReason if reason.can_be_accepted],
            "company_id": company_id,
            "policy": policy,
        },
    )
    return list(found.scalars())


def _stored(row: RowMapping) -> StoredFinding:
    return StoredFinding(
        row["id"],
        row["line_ref"],
        row["set_aside_ref"],
        row["version"],
        row["attempts"],
        FindingReason(row["reason"]),
        FindingStatus(row["status"]),
    )


def _row(found: Examined) -> dict[str, Any]:
    finding = found.finding
    return {
        "line_ref": found.line.id,
        "set_aside_ref": found.dead_letter_id,
        "version": found.line.version,
        "attempts": found.attempts,
        "reason": finding.reason,
        "closed_case": finding.case,
        "amount_before": finding.amount_before,
        "amount_now": finding.amount_now,
        "proposal": json.dumps([_proposed(adjustment._asdict()) for adjustment in finding.proposal]),
        "note": found.note,
    }


def _proposed(fields: dict[str, Any]) -> dict[str, str | None]:
    return {name: None if value is None else str(value) for name, value in fields.items()}
