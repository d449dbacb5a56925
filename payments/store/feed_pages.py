"""The Claims Feed a page at a time, newest save first: each page is found by an index, whatever came before it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import text

from payments.core.event import LineKey
from payments.core.money import Money
from payments.core.outcome import Reason, Status
from payments.store.feed import FeedRow
from payments.store.session import Transaction

LINE, ASIDE = 0, 1
"""Where a row comes from: a line that was processed, or an event that was set aside."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of the feed; None leaves that open. `clinics` is both what is asked for and what may be seen.

    Dates are the clinics' own days of the save, inclusive; amounts are dollars.
    """

    since: date | None = None
    until: date | None = None
    status: Status | None = None
    reason: Reason | None = None
    clinics: tuple[str, ...] | None = None
    patient: str | None = None
    payment: str | None = None
    amount: Money | None = None


class Place(NamedTuple):
    """Where a row stands in the order of the feed."""

    at: datetime
    source: int
    number: int


class PlacedRow(NamedTuple):
    """A row of the feed and its place."""

    place: Place
    row: FeedRow


class Picked(NamedTuple):
    """What a requeue is to take next: keys of lines (row number, clinic, payment, line)."""

    number: int
    clinic_id: str
    payment_id: str
    line_id: str


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
_SAME_LINE = "{0}.clinic_id = {1}.clinic_id AND {0}.payment_id = {1}.payment_id AND {0}.line_id = {1}.line_id"
# The rule of the feed: an event set aside stands for its line until a version at least as new was processed.
_LINE_STANDS = f"""
status IS NOT NULL AND NOT EXISTS (
    SELECT FROM set_aside WHERE {_SAME_LINE.format("set_aside", "lines")} AND closed_at IS NULL
        AND (set_aside.version > lines.version
            OR set_aside.version = lines.version AND set_aside.reason = 'version_conflict'))
"""
_ASIDE_STANDS = f"""
closed_at IS NULL AND NOT EXISTS (
    SELECT FROM set_aside AS newer WHERE {_SAME_LINE.format("newer", "set_aside")} AND newer.closed_at IS NULL
        AND (coalesce(newer.version, -1), newer.id) > (coalesce(set_aside.version, -1), set_aside.id))
AND NOT EXISTS (
    SELECT FROM lines WHERE {_SAME_LINE.format("lines", "set_aside")} AND set_aside.version IS NOT NULL
        AND NOT (set_aside.version > lines.version
            OR set_aside.version = lines.version AND set_aside.reason = 'version_conflict'))
"""


def page(tx: Transaction, wanted: Wanted, after: Place | None, limit: int) -> list[PlacedRow]:
    """Return up to `limit` rows that come after a place."""
    lines = _by_clinic(wanted, f"{_LINE_STANDS} {_lines_where(wanted)} {_after(after, 'saved_at', LINE)}")
    aside_at = "coalesce(saved_at, received_at)"
    aside = f"{_ASIDE_STANDS} {_aside_where(wanted)} {_after(after, aside_at, ASIDE)}"
    found = tx.execute(
        text(
            f"(SELECT {_LINE_COLUMNS} FROM ({lines}) AS lines ORDER BY saved_at DESC, id DESC LIMIT :limit) UNION ALL "
            f"(SELECT {_ASIDE_COLUMNS} FROM set_aside WHERE {aside} ORDER BY {aside_at} DESC, id DESC LIMIT :limit) "
            "ORDER BY sorted_at DESC, source, number DESC LIMIT :limit"
        ),
        _parameters(wanted) | {"limit": limit} | (_placed(after) if after else {}),
    )
    return [PlacedRow(Place(*row[:3]), FeedRow(*row[3:])) for row in found]


def count(tx: Transaction, wanted: Wanted) -> int:
    """Count the rows: only where somebody asks, for it has to look at all of them."""
    found = tx.execute(
        text(
            f"SELECT (SELECT count(*) FROM lines WHERE {_LINE_STANDS} {_lines_where(wanted)} {_OF_CLINICS}) + "
            f"(SELECT count(*) FROM set_aside WHERE {_ASIDE_STANDS} {_aside_where(wanted)})"
        ),
        _parameters(wanted) | {"clinics": _clinics(wanted)},
    )
    return int(found.scalar_one())


def pick_lines(tx: Transaction, wanted: Wanted, numbers: tuple[int, int], limit: int) -> list[Picked]:
    """Return the next lines after the first number, up to the last, in the order of their rows."""
    found = tx.execute(
        text(
            "SELECT id, clinic_id, payment_id, line_id FROM lines "
            f"WHERE {_LINE_STANDS} {_lines_where(wanted)} {_OF_CLINICS} "
            "AND id > :reached AND id <= :last ORDER BY id LIMIT :limit"
        ),
        _parameters(wanted) | {"clinics": _clinics(wanted), "reached": numbers[0], "last": numbers[1], "limit": limit},
    )
    return [Picked(*row) for row in found]


def pick_aside(tx: Transaction, wanted: Wanted, numbers: tuple[int, int], limit: int) -> list[int]:
    """Return the next events that were set aside, likewise, by their numbers."""
    found = tx.execute(
        text(
            f"SELECT id FROM set_aside WHERE {_ASIDE_STANDS} {_aside_where(wanted)} "
            "AND id > :reached AND id <= :last ORDER BY id LIMIT :limit"
        ),
        _parameters(wanted) | {"reached": numbers[0], "last": numbers[1], "limit": limit},
    )
    return list(found.scalars())


def last_numbers(tx: Transaction) -> tuple[int, int]:
    """Return the numbers of the newest line and of the newest event that was set aside."""
    found = tx.execute(
        text("SELECT (SELECT coalesce(max(id), 0) FROM lines), (SELECT coalesce(max(id), 0) FROM set_aside)")
    )
    line, aside = found.one()
    return line, aside


def clinics_of_refused(tx: Transaction, numbers: Sequence[int]) -> dict[int, str | None]:
    """Return which clinic events that were set aside name, by their numbers."""
    found = tx.execute(text("SELECT id, clinic_id FROM set_aside WHERE id = ANY(:ids)"), {"ids": list(numbers)})
    return {row.id: row.clinic_id for row in found}


# A payment is named with or without its line; each way in which that can be read is looked up by the unique index.
_NAMED = (
    "(clinic_id, payment_id) IN (SELECT * FROM unnest(CAST(:of_clinic AS text[]), CAST(:of_payment AS text[]))) "
    "AND :payment IN (clinic_id || '/' || payment_id || '/' || line_id, clinic_id || '/' || payment_id)"
)
_OF_CLINICS = "AND (CAST(:clinics AS text[]) IS NULL OR clinic_id = ANY(:clinics))"


def _by_clinic(wanted: Wanted, where: str) -> str:
    """Return the newest lines; where clinics are named, the newest of each by the index of that clinic."""
    newest = "ORDER BY saved_at DESC, id DESC LIMIT :limit"
    if wanted.clinics is None:
        return f"SELECT * FROM lines WHERE {where} {newest}"
    own = f"SELECT * FROM lines WHERE clinic_id = seen.clinic AND {where} {newest}"
    return f"SELECT own.* FROM unnest(CAST(:clinics AS text[])) AS seen(clinic), LATERAL ({own}) AS own"


def _lines_where(wanted: Wanted) -> str:
    """Return the conditions, each only where it is asked for, so that the planner sees which index serves."""
    amount = "(CASE WHEN deleted THEN 0.00 ELSE amount_paid END)"
    # The clinic's own day is at most a day away from the moment in UTC, by which the index goes.
    since = " AND saved_at >= CAST(:since AS date) - interval '1 day'" if wanted.since else ""
    until = " AND saved_at < CAST(:until AS date) + interval '2 days'" if wanted.until else ""
    return _where(wanted, "saved_on", amount) + since + until


def _aside_where(wanted: Wanted) -> str:
    day = "coalesce(saved_on, (received_at AT TIME ZONE 'UTC')::date)"
    return _where(wanted, day, "amount_paid") + (
        "" if wanted.clinics is None else " AND clinic_id = ANY(CAST(:clinics AS text[]))"
    )


def _where(wanted: Wanted, day: str, amount: str) -> str:
    parts = {
        "since": f"{day} >= :since",
        "until": f"{day} <= :until",
        "status": f"status = '{wanted.status}'",  # of an enum of ours, written out for the partial index
        "reason": "reason = :reason",
        "patient": "patient_id = :patient",
        "payment": _NAMED,
        "amount": f"{amount} = :amount",
    }
    return "".join(f" AND {part}" for name, part in parts.items() if getattr(wanted, name) is not None)


def _after(after: Place | None, moment: str, source: int) -> str:
    if after is None:
        return ""
    if source == after.source:
        return f"AND ({moment}, id) < (:after_at, :after_number)"
    return f"AND {moment} {'<=' if source > after.source else '<'} :after_at"


def _placed(after: Place) -> dict[str, Any]:
    return {"after_at": after.at, "after_number": after.number}


def _clinics(wanted: Wanted) -> list[str] | None:
    return None if wanted.clinics is None else list(wanted.clinics)


def _parameters(wanted: Wanted) -> dict[str, Any]:
    given = {name: value for name, value in asdict(wanted).items() if value is not None and name != "status"}
    if wanted.payment is not None:
        pairs = {(key.clinic_id, key.payment_id) for key in LineKey.readings(f"{wanted.payment}/")}
        given |= {"of_clinic": [clinic for clinic, _ in pairs], "of_payment": [payment for _, payment in pairs]}
    return given | ({"clinics": list(wanted.clinics)} if wanted.clinics is not None else {})
