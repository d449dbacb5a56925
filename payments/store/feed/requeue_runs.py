"""Requeueing all that match, as it is under way: what is asked for, how far it is, and whether it was stopped."""

import json
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from payments.contract.money import dollars
from payments.core.outcome import Reason, Status
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.reports.claims_feed_filter import Wanted

RUNNING, STOPPED, DONE = "running", "stopped", "done"


@dataclass(frozen=True, slots=True)
class RequeueRun:
    """A run: `reached` and `last` are row numbers of lines and of events set aside."""

    id: int
    begun_at: datetime
    begun_by: str
    wanted: Wanted
    total: int
    done: int
    line_reached: int
    line_last: int
    aside_reached: int
    aside_last: int
    moved_at: datetime
    state: str


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that begins: how much matches, and the last rows there are."""

    wanted: Wanted
    total: int
    lasts: tuple[int, int]


def add(tx: Transaction, begun: Begun, now: datetime, who: str) -> int:
    """Write a run down, and return its number."""
    added = tx.execute(
        text(
            "INSERT INTO requeue_runs (begun_at, begun_by, choice, total, done, line_reached, line_last, "
            "aside_reached, aside_last, moved_at, state) VALUES (:now, :who, CAST(:choice AS jsonb), :total, 0, 0, "
            ":line_last, 0, :aside_last, :now, 'running') RETURNING id"
        ),
        {
            "now": now,
            "who": who,
            "choice": json.dumps(asdict(begun.wanted), default=str),
            "total": begun.total,
            "line_last": begun.lasts[0],
            "aside_last": begun.lasts[1],
        },
    )
    return int(added.scalar_one())


def load(tx: Transaction, number: int, *, lock: bool = False) -> RequeueRun | None:
    """Return a run; with `lock` nobody else moves it until this transaction ends."""
    found = tx.execute(
        text(f"SELECT * FROM requeue_runs WHERE id = :id {'FOR UPDATE' if lock else ''}"), {"id": number}
    )
    row = found.mappings().one_or_none()
    if row is None:
        return None
    fields = {name: value for name, value in row.items() if name != "choice"}
    return RequeueRun(**fields, wanted=_wanted(row["choice"]))


def move(tx: Transaction, run: RequeueRun) -> None:
    """Write down how far a run is that this transaction has locked."""
    tx.execute(
        text(
            "UPDATE requeue_runs SET done = :done, line_reached = :line_reached, aside_reached = :aside_reached, "
            "moved_at = :moved_at, state = :state WHERE id = :id"
        ),
        {name: getattr(run, name) for name in "id done line_reached aside_reached moved_at state".split()},
    )


def _wanted(kept: dict[str, Any]) -> Wanted:
    reads: dict[str, Any] = {
        "since": date.fromisoformat,
        "until": date.fromisoformat,
        "status": Status,
        "reason": Reason,
        "clinics": tuple,
        "amount": dollars,
    }
    return Wanted(**{name: value if value is None else reads.get(name, str)(value) for name, value in kept.items()})
