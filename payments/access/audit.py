"""The audit history: who changed, exported or viewed what. Rows are only inserted."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from payments.store.db.connection import Transaction
from payments.store.db.statement import text


class AuditEntry(NamedTuple):
    """An entry to add: who did what, when, from which IP address. `subject` is a payment, patient, clinic or user.

    `company_id` is None for an action that concerns the installation, or several companies.
    """

    at: datetime
    who: str
    action: str
    subject: str = ""
    detail: str = ""
    address: str = ""
    company_id: str | None = None


class AuditRow(NamedTuple):
    """A stored audit entry."""

    id: int
    at: datetime
    who: str
    action: str
    subject: str
    detail: str
    address: str


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Selects audit entries. A field that is None selects all. `since` is inclusive, `until` exclusive.

    `before` is the id of the last entry of the previous page. `companies` selects entries of users who have only these
    companies, from the time since when they have had them.
    """

    who: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    companies: Collection[str] | None = None


_OF_COMPANIES = """
AND EXISTS (SELECT FROM users WHERE 'user:' || users.name = audit.who
    AND cardinality(users.companies) > 0 AND users.companies <@ CAST(:companies AS text[])
    AND audit.at > coalesce(users.companies_since, '-infinity'))
AND (audit.company_id IS NULL OR audit.company_id = ANY(CAST(:companies AS text[])))
"""


def add(tx: Transaction, entry: AuditEntry) -> None:
    """Insert an audit entry."""
    tx.execute(
        text(
            "INSERT INTO audit (at, who, action, subject, detail, address, company_id) "
            "VALUES (:at, :who, :action, :subject, :detail, :address, :company_id)"
        ),
        entry._asdict(),
    )


def rows(tx: Transaction, query: AuditFilter, limit: int) -> list[AuditRow]:
    """Return up to `limit` entries, newest first."""
    of_companies = "" if query.companies is None else _OF_COMPANIES
    found = tx.execute(
        text(
            f"SELECT {', '.join(AuditRow._fields)} FROM audit "
            "WHERE (CAST(:who AS text) IS NULL OR who = :who) "
            "AND (CAST(:action AS text) IS NULL OR action = :action) "
            "AND (CAST(:subject AS text) IS NULL OR subject = :subject) "
            "AND (CAST(:since AS timestamptz) IS NULL OR at >= :since) "
            "AND (CAST(:until AS timestamptz) IS NULL OR at < :until) "
            f"AND (CAST(:before AS bigint) IS NULL OR id < :before) {of_companies} ORDER BY id DESC LIMIT :limit"
        ),
        {name: getattr(query, name) for name in query.__slots__}
        | {"limit": limit, "companies": None if query.companies is None else sorted(query.companies)},
    )
    return [AuditRow(**row) for row in found.mappings()]


def recent_actions(tx: Transaction) -> list[str]:
    """Return the distinct actions of the visible entries among the newest 10,000, sorted."""
    # The sequence bounds what is read. A limit of rows would read the whole history of an installation for the 10,000
    # entries that row-level security shows to the administrator of a small company.
    newest = "SELECT pg_sequence_last_value(CAST('audit_id_seq' AS regclass))"
    query = f"SELECT DISTINCT action FROM audit WHERE id > ({newest}) - 10000 ORDER BY action"
    return list(tx.execute(text(query)).scalars())
