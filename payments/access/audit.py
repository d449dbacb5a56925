"""The audit history: who did, exported or looked at what. It is only ever added to."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from payments.store.db.connection import Transaction
from payments.store.db.statement import text


class AuditEntry(NamedTuple):
    """Something that somebody did: at what time, from where, and to which payment, patient, clinic or user."""

    at: datetime
    who: str
    action: str
    subject: str = ""
    detail: str = ""
    address: str = ""


class AuditRow(NamedTuple):
    """A deed as it stands in the history."""

    id: int
    at: datetime
    who: str
    action: str
    subject: str
    detail: str
    address: str


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which part of the audit history, from `since` to before `until`; None leaves that open.

    `before` is the id where an earlier page ended.
    """

    who: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None


def add(tx: Transaction, deed: AuditEntry) -> None:
    """Write a deed down."""
    tx.execute(
        text(
            "INSERT INTO audit (at, who, action, subject, detail, address) "
            "VALUES (:at, :who, :action, :subject, :detail, :address)"
        ),
        deed._asdict(),
    )


def rows(tx: Transaction, query: AuditFilter, limit: int) -> list[AuditRow]:
    """Return the history, newest first."""
    found = tx.execute(
        text(
            f"SELECT {', '.join(AuditRow._fields)} FROM audit "
            "WHERE (CAST(:who AS text) IS NULL OR who = :who) "
            "AND (CAST(:action AS text) IS NULL OR action = :action) "
            "AND (CAST(:subject AS text) IS NULL OR subject = :subject) "
            "AND (CAST(:since AS timestamptz) IS NULL OR at >= :since) "
            "AND (CAST(:until AS timestamptz) IS NULL OR at < :until) "
            "AND (CAST(:before AS bigint) IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit"
        ),
        {name: getattr(query, name) for name in query.__slots__} | {"limit": limit},
    )
    return [AuditRow(*row) for row in found]


def actions(tx: Transaction) -> list[str]:
    """Return what kinds of deeds were done lately, for a filter."""
    recent = "SELECT action FROM audit ORDER BY id DESC LIMIT 10000"
    return list(tx.execute(text(f"SELECT DISTINCT action FROM ({recent}) AS recent ORDER BY action")).scalars())
