"""Requeue runs. A run requeues all payments that a filter selects, chunk by chunk. It can be stopped and resumed."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import RowMapping

from payments.contract.keys import ClinicKey
from payments.contract.money import dollars
from payments.core.outcome import Reason, Status
from payments.core.posted import PostedFilter
from payments.core.requeue_result import RequeueResult, ResultCount
from payments.core.scope import Scope
from payments.store.db.conditions import scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.feed.feed_filter import FeedFilter
from payments.store.feed.requeue_candidates import HighestRowIds, RowIds

RUNNING, STOPPED, DONE = "running", "stopped", "done"
_SCOPE_KEYS = ("companies", "clinics", "key_companies", "key_clinics")


@dataclass(frozen=True, slots=True)
class RequeueRun:
    """A requeue run.

    - `total`: the number of payments that the run selected.
    - `done`: the number of payments that the run has already requeued.
    - `lines`, `dead_letters`: the ranges of row ids that remain to be requeued.
    - `state`: RUNNING, STOPPED or DONE.
    - `company_id`: None if the filter selects payments of several companies.
    - `outcome`: None until all requeued payments were evaluated.
    """

    id: int
    started_at: datetime
    started_by: str
    feed_filter: FeedFilter
    total: int
    done: int
    lines: RowIds
    dead_letters: RowIds
    updated_at: datetime
    state: str
    company_id: str | None = None
    finished_at: datetime | None = None
    outcome: Sequence[ResultCount] | None = None


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to start: its filter, the number of payments that it selects, and the highest row ids that it covers."""

    feed_filter: FeedFilter
    total: int
    highest_row_ids: HighestRowIds


def add(tx: Transaction, run: NewRun, now: datetime, who: str) -> int:
    """Store a run, and return its id."""
    added = tx.execute(
        text(
            "INSERT INTO requeue_runs (begun_at, begun_by, choice, total, done, line_reached, line_last, "
            "aside_reached, aside_last, moved_at, state, company_id) VALUES (:now, :who, CAST(:choice AS jsonb), "
            ":total, 0, 0, :line_last, 0, :aside_last, :now, 'running', :company_id) RETURNING id"
        ),
        {
            "now": now,
            "who": who,
            "choice": json.dumps(_filter_to_json(run.feed_filter), default=str),
            "total": run.total,
            "line_last": run.highest_row_ids.line,
            "aside_last": run.highest_row_ids.dead_letter,
            "company_id": run.feed_filter.scope.only_company,
        },
    )
    return int(added.scalar_one())


def load(tx: Transaction, run_id: int, *, lock: bool = False) -> RequeueRun | None:
    """Return a run, or None if there is none with this id. With `lock`, lock its row FOR UPDATE."""
    found = tx.execute(
        text(f"SELECT * FROM requeue_runs WHERE id = :id {'FOR UPDATE' if lock else ''}"), {"id": run_id}
    )
    row = found.mappings().one_or_none()
    return None if row is None else _to_run(row)


def lock_next_running(tx: Transaction, exclude: Sequence[int] = ()) -> RequeueRun | None:
    """Return the RUNNING run that has waited longest, or None. Locks its row FOR UPDATE. Locked runs are skipped."""
    found = tx.execute(
        text(
            "SELECT * FROM requeue_runs WHERE state = 'running' AND NOT id = ANY(:exclude) "
            "ORDER BY moved_at, id LIMIT 1 FOR UPDATE SKIP LOCKED"
        ),
        {"exclude": list(exclude)},
    )
    row = found.mappings().one_or_none()
    return None if row is None else _to_run(row)


def has_unfinished_run(tx: Transaction) -> bool:
    """Return whether there is a run with payments to requeue, or a run whose outcome is not stored."""
    found = tx.execute(
        text(
            "SELECT EXISTS (SELECT FROM requeue_runs "
            "WHERE state = 'running' OR finished_at IS NOT NULL AND outcome IS NULL)"
        )
    )
    return bool(found.scalar_one())


def lock_finished(tx: Transaction) -> list[RequeueRun]:
    """Return the finished runs whose outcome is not stored. Locks their rows FOR UPDATE. Locked runs are skipped."""
    found = tx.execute(
        text(
            "SELECT * FROM requeue_runs WHERE finished_at IS NOT NULL AND outcome IS NULL "
            "ORDER BY id FOR UPDATE SKIP LOCKED"
        )
    )
    return [_to_run(row) for row in found.mappings()]


def list_page(tx: Transaction, before: int | None, limit: int) -> list[RequeueRun]:
    """Return up to `limit` runs with ids below `before`, newest first."""
    found = tx.execute(
        text(
            "SELECT * FROM requeue_runs WHERE CAST(:before AS bigint) IS NULL OR id < :before "
            "ORDER BY id DESC LIMIT :limit"
        ),
        {"before": before, "limit": limit},
    )
    return [_to_run(row) for row in found.mappings()]


def update(tx: Transaction, run: RequeueRun) -> None:
    """Store the progress and the state of a run that this transaction has locked."""
    tx.execute(
        text(
            "UPDATE requeue_runs SET done = :done, line_reached = :line_reached, aside_reached = :aside_reached, "
            "moved_at = :moved_at, state = :state, finished_at = :finished_at, "
            "outcome = CAST(:outcome AS jsonb) WHERE id = :id"
        ),
        {
            "id": run.id,
            "done": run.done,
            "line_reached": run.lines.after,
            "aside_reached": run.dead_letters.after,
            "moved_at": run.updated_at,
            "state": run.state,
            "finished_at": run.finished_at,
            "outcome": None if run.outcome is None else json.dumps([_count_to_json(each) for each in run.outcome]),
        },
    )


def _to_run(row: RowMapping) -> RequeueRun:
    return RequeueRun(
        id=row["id"],
        started_at=row["begun_at"],
        started_by=row["begun_by"],
        feed_filter=_filter_from_json(row["choice"]),
        total=row["total"],
        done=row["done"],
        lines=RowIds(row["line_reached"], row["line_last"]),
        dead_letters=RowIds(row["aside_reached"], row["aside_last"]),
        updated_at=row["moved_at"],
        state=row["state"],
        company_id=row["company_id"],
        finished_at=row["finished_at"],
        outcome=None if row["outcome"] is None else [_count_from_json(each) for each in row["outcome"]],
    )


def _count_to_json(each: ResultCount) -> dict[str, Any]:
    return asdict(each) | {"total": str(each.total)}


def _count_from_json(stored: dict[str, Any]) -> ResultCount:
    reason = Reason(stored["reason"]) if stored["reason"] else None
    return ResultCount(RequeueResult(stored["result"]), reason, stored["count"], dollars(stored["total"]))


def _filter_to_json(feed_filter: FeedFilter) -> dict[str, Any]:
    """Return the criteria of a filter as the column stores them. `as_of` is not stored, because a requeue has none.

    The scope is stored as its lists of companies and clinics. Criteria that are None are omitted, so that a process of
    another release, which may not know them, can read the row.
    """
    given = {name: value for name, value in asdict(feed_filter).items() if name != "as_of" and value is not None}
    del given["scope"]
    return given | scope_parameters(feed_filter.scope)


def _filter_from_json(stored: dict[str, Any]) -> FeedFilter:
    readers: dict[str, Any] = {
        "since": date.fromisoformat,
        "until": date.fromisoformat,
        "status": Status,
        "reason": Reason,
        "posted": PostedFilter,
        "amount": dollars,
        "as_of": datetime.fromisoformat,
    }
    given = {
        name: value if value is None else readers.get(name, str)(value)
        for name, value in stored.items()
        if name not in _SCOPE_KEYS
    }
    companies, clinics = (None if stored.get(name) is None else frozenset(stored[name]) for name in _SCOPE_KEYS[:2])
    pairs = zip(*(stored[name] for name in _SCOPE_KEYS[2:]), strict=True) if "key_clinics" in stored else None
    keys = None if pairs is None else frozenset(map(ClinicKey._make, pairs))
    return FeedFilter(scope=Scope(companies, clinics, keys), **given)
