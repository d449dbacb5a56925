"""Making payments due again because someone asked for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from payments.contract.event import LineKey
from payments.core.outcome import Reason, Status
from payments.store.db.as_of import changed_at
from payments.store.db.bulk import arrays, unnested
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.ledger import history
from payments.store.ledger.history import HistoryEvent
from payments.store.tables import lines

_KEY = ["clinic_id", "payment_id", "line_id"]
# Due since it was saved or came in: under a clock that is set back meanwhile, `now` would still be to come.
# Locked first, in the order in which everybody locks lines.
_DUE = (
    "WITH wanted AS MATERIALIZED (SELECT lines.id FROM lines {0} "
    "ORDER BY lines.clinic_id, lines.payment_id, lines.line_id FOR NO KEY UPDATE OF lines) "
    f"UPDATE lines SET {changed_at('lines')}, due_at = least(lines.saved_at, :now), "
    "requeued_at = :now, waits = 0, status = 'Transmission Pending', reason = NULL, "
    "application = 'held', detail = 'Requeued' FROM wanted WHERE lines.id = wanted.id "
    "RETURNING lines.id, lines.version, lines.clinic_id, lines.payment_id, lines.line_id"
)
_ASIDE_DUE = (
    f"UPDATE set_aside SET {changed_at('set_aside')}, due_at = least(received_at, :now) WHERE closed_at IS NULL"
)
_OPEN = "status IN ('Not Sent', 'Transmission Pending')"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which payments to requeue by what they have in common; None leaves that open."""

    status: Status
    reason: Reason | None = None
    clinic_id: str | None = None


def requeue_keys(tx: Transaction, keys: Sequence[LineKey], now: datetime, who: str) -> list[LineKey]:
    """Make the lines under these keys due now where they have not come through; return those that were."""
    named = [key._asdict() for key in sorted(keys)]
    found = tx.execute(
        text(_DUE.format(f"JOIN {unnested(lines, _KEY)} USING (clinic_id, payment_id, line_id) WHERE {_OPEN}")),
        arrays(named, _KEY) | {"now": now},
    ).all()
    _tell(tx, [(ref, version) for ref, version, *_ in found], now, who)
    return [LineKey(*key) for _, _, *key in found]


def requeue_matching(tx: Transaction, choice: Choice, now: datetime, who: str) -> int:
    """Make every line due now that matches; return how many."""
    found = tx.execute(
        text(
            _DUE.format(
                "WHERE status = :status AND (CAST(:reason AS text) IS NULL OR reason = :reason) "
                f"AND (CAST(:clinic_id AS text) IS NULL OR clinic_id = :clinic_id) AND {_OPEN}"
            )
        ),
        {"now": now, "status": choice.status, "reason": choice.reason, "clinic_id": choice.clinic_id},
    ).all()
    _tell(tx, [(ref, version) for ref, version, *_ in found], now, who)
    return len(found)


def requeue_set_aside(
    tx: Transaction, ids: Sequence[int], keys: Sequence[LineKey], now: datetime, who: str
) -> list[LineKey | int]:
    """Make events that were set aside due now, by their number or their line's key; return what was found."""
    named = [key._asdict() for key in keys]
    found = tx.execute(
        text(
            f"{_ASIDE_DUE} AND (id = ANY(:ids) OR "
            "(clinic_id, payment_id, line_id) IN (SELECT * FROM unnest(CAST(:clinic_id AS text[]), "
            "CAST(:payment_id AS text[]), CAST(:line_id AS text[])))) "
            "RETURNING id, version, clinic_id, payment_id, line_id"
        ),
        arrays(named, _KEY) | {"now": now, "ids": list(ids)},
    ).all()
    _tell_set_aside(tx, [(ref, version) for ref, version, *_ in found], now, who)
    return [ref if ref in ids else LineKey(*key) for ref, _, *key in found]


def requeue_set_aside_matching(tx: Transaction, choice: Choice, now: datetime, who: str) -> int:
    """Make every event due now that was set aside and matches; return how many."""
    found = tx.execute(
        text(
            f"{_ASIDE_DUE} AND status = :status "
            "AND (CAST(:reason AS text) IS NULL OR reason = :reason) "
            "AND (CAST(:clinic_id AS text) IS NULL OR clinic_id = :clinic_id) RETURNING id, version"
        ),
        {"now": now, "status": choice.status, "reason": choice.reason, "clinic_id": choice.clinic_id},
    ).all()
    _tell_set_aside(tx, [(ref, version) for ref, version in found], now, who)
    return len(found)


def _tell(tx: Transaction, refs: Sequence[tuple[int, int]], now: datetime, who: str) -> None:
    detail = "To be judged by the settings of now"
    history.add(
        tx, [HistoryEvent(now, "Re-submitted", who, detail, line_ref=ref, version=version) for ref, version in refs]
    )


def _tell_set_aside(tx: Transaction, refs: Sequence[tuple[int, int | None]], now: datetime, who: str) -> None:
    detail = "To be read again"
    history.add(
        tx,
        [HistoryEvent(now, "Re-submitted", who, detail, set_aside_ref=ref, version=version) for ref, version in refs],
    )
