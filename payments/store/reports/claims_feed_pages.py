"""The Claims Feed a page at a time, newest save first: each page is found by an index, whatever came before it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.feed.current import DEAD_LETTER_IS_CURRENT, LINE_IS_CURRENT
from payments.store.feed.feed_filter import FeedFilter, dead_letter_conditions, line_conditions, parameters
from payments.store.reports.claims_feed import FeedRow

LINE, ASIDE = 0, 1
"""Where a row comes from: a line that was processed, or an event that was set aside."""


class Place(NamedTuple):
    """Where a row stands in the order of the feed."""

    at: datetime
    source: int
    number: int


class PlacedRow(NamedTuple):
    """A row of the feed and its place."""

    place: Place
    row: FeedRow


_LINE_COLUMNS = """
saved_at AS sorted_at, 0 AS source, id AS number, clinic_id || '/' || payment_id || '/' || line_id AS payment,
version, clinic_id AS clinic, patient_id AS patient, charge_type,
CASE WHEN deleted THEN 0.00 ELSE amount_paid END AS amount, saved_at, status, reason, attempts, application, detail,
due_at AS next_try_at, NULL::text AS refused
"""
_ASIDE_COLUMNS = """
coalesce(saved_at, received_at), 1, id, clinic_id || '/' || payment_id || '/' || line_id, version, clinic_id,
patient_id, charge_type, amount_paid, saved_at, status, reason, attempts, 'none', error, due_at, 'refused:' || id
"""


def page(tx: Transaction, wanted: FeedFilter, after: Place | None, limit: int) -> list[PlacedRow]:
    """Return up to `limit` rows that come after a place."""
    lines = _by_clinic(wanted, f"{LINE_IS_CURRENT} {line_conditions(wanted)} {_after(after, 'saved_at', LINE)}")
    aside_at = "coalesce(saved_at, received_at)"
    aside = f"{DEAD_LETTER_IS_CURRENT} {dead_letter_conditions(wanted)} {_after(after, aside_at, ASIDE)}"
    found = tx.execute(
        text(
            f"(SELECT {_LINE_COLUMNS} FROM ({lines}) AS lines ORDER BY saved_at DESC, id DESC LIMIT :limit) UNION ALL "
            f"(SELECT {_ASIDE_COLUMNS} FROM set_aside WHERE {aside} ORDER BY {aside_at} DESC, id DESC LIMIT :limit) "
            "ORDER BY sorted_at DESC, source, number DESC LIMIT :limit"
        ),
        parameters(wanted) | {"limit": limit} | (_placed(after) if after else {}),
    )
    return [PlacedRow(Place(*row[:3]), FeedRow(*row[3:])) for row in found]


def clinics_of_refused(tx: Transaction, numbers: Sequence[int]) -> dict[int, str | None]:
    """Return which clinic events that were set aside name, by their numbers."""
    found = tx.execute(text("SELECT id, clinic_id FROM set_aside WHERE id = ANY(:ids)"), {"ids": list(numbers)})
    return {row.id: row.clinic_id for row in found}


def _by_clinic(wanted: FeedFilter, where: str) -> str:
    """Return the newest lines; where clinics are named, the newest of each by the index of that clinic."""
    newest = "ORDER BY saved_at DESC, id DESC LIMIT :limit"
    if wanted.clinics is None:
        return f"SELECT * FROM lines WHERE {where} {newest}"
    own = f"SELECT * FROM lines WHERE clinic_id = seen.clinic AND {where} {newest}"
    return f"SELECT own.* FROM unnest(CAST(:clinics AS text[])) AS seen(clinic), LATERAL ({own}) AS own"


def _after(after: Place | None, moment: str, source: int) -> str:
    if after is None:
        return ""
    if source == after.source:
        return f"AND ({moment}, id) < (:after_at, :after_number)"
    return f"AND {moment} {'<=' if source > after.source else '<'} :after_at"


def _placed(after: Place) -> dict[str, Any]:
    return {"after_at": after.at, "after_number": after.number}
