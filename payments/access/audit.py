"""The audit history: the changes, exports and views of each user. Rows are only inserted."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from payments.core.sorting import Sort, Window
from payments.store.db.conditions import conditions
from payments.store.db.connection import Transaction
from payments.store.db.keyset import Keyset, PositionedRow, SortKey, order_by
from payments.store.db.statement import text
from payments.store.db.streaming import read_batches
from payments.store.reports.summary import Summary, first_rows, read_summary

_SUBJECT_MAX, _DETAIL_MAX = 300, 1000
BY_TIME = "at"
NEWEST_FIRST = Sort(BY_TIME, is_descending=True)
_UNIQUE_SORT_KEY = SortKey("id", "bigint")
SORTS = {BY_TIME: (_UNIQUE_SORT_KEY,)} | {
    name: (SortKey(name, "text"), _UNIQUE_SORT_KEY) for name in ("who", "action", "subject", "address")
}
"""The sort keys of each column by which the history can be sorted. BY_TIME sorts by id, which increases with time."""


class AuditEntry(NamedTuple):
    """An entry to add: the user, the action, its time, and the IP address.

    `subject` is a payment, patient, clinic or user.

    `company_id` is None if the action concerns the installation or several companies.
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


class ActionKind(StrEnum):
    """The kind of an action. Views, searches, exports, logins and logouts are READ. All other actions are CHANGE."""

    CHANGE = "change"
    READ = "read"


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Filter of the audit history. A field that is None does not restrict it. `since` is inclusive, `until` exclusive.

    `companies` selects the entries of users who have no other companies. Two kinds of entries are left out: those from
    before the user got these companies, and those about another company.
    """

    who: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    companies: Collection[str] | None = None
    kind: ActionKind | None = None


# The export of a company is a change: it moves the company to another installation.
_IS_READ = """
(action ^@ 'viewed ' OR action ^@ 'exported ' AND action <> 'exported company'
    OR action IN ('searched', 'logged in', 'logged out', 'login failed'))
"""
_CONDITION_BY_KIND = {None: "", ActionKind.READ: f"AND {_IS_READ}", ActionKind.CHANGE: f"AND NOT {_IS_READ}"}
_BELONGS_TO_COMPANIES = """
AND EXISTS (SELECT FROM users WHERE 'user:' || users.name = audit.who
    AND cardinality(users.companies) > 0 AND users.companies <@ CAST(:companies AS text[])
    AND audit.at > coalesce(users.companies_since, '-infinity'))
AND (audit.company_id IS NULL OR audit.company_id = ANY(CAST(:companies AS text[])))
"""


def add(tx: Transaction, entry: AuditEntry) -> None:
    """Insert an audit entry. A long subject or detail is cut off."""
    tx.execute(
        text(
            "INSERT INTO audit (at, who, action, subject, detail, address, company_id) "
            "VALUES (:at, :who, :action, :subject, :detail, :address, :company_id)"
        ),
        entry._replace(subject=entry.subject[:_SUBJECT_MAX], detail=entry.detail[:_DETAIL_MAX])._asdict(),
    )


def read_page(
    tx: Transaction, query: AuditFilter, window: Window, sort: Sort = NEWEST_FIRST
) -> list[PositionedRow[AuditRow]]:
    """Return the rows of a page. The query reads all matching entries, unless they are sorted by BY_TIME."""
    keyset = Keyset(SORTS[sort.column], sort.is_descending, window)
    fields = ", ".join(AuditRow._fields)
    statement = f"SELECT {keyset.columns}, {fields} {_from_clause(query)}{keyset.condition} {keyset.order_by}"
    found = tx.execute(text(statement), _parameters(query) | keyset.parameters)
    return keyset.in_order(keyset.positioned(row, AuditRow._make) for row in found)


def stream(tx: Transaction, query: AuditFilter, sort: Sort = NEWEST_FIRST) -> Iterator[AuditRow]:
    """Yield all matching entries, in the order of a column."""
    statement = f"SELECT {', '.join(AuditRow._fields)} {_from_clause(query)} {order_by(SORTS[sort.column], sort)}"
    for some in read_batches(tx, statement, _parameters(query)):
        yield from map(AuditRow._make, some)


def summarize(tx: Transaction, query: AuditFilter, limit: int | None = None) -> Summary:
    """Count the matching entries. With `limit`, stop after that many."""
    first = f"SELECT 1 {_from_clause(query)} {first_rows(limit)}"
    counted = f"SELECT count(*) AS count, CAST(NULL AS numeric) AS total FROM ({first}) AS first_ones"
    return read_summary(tx, counted, _parameters(query), limit)


def _from_clause(query: AuditFilter) -> str:
    of_companies = "" if query.companies is None else _BELONGS_TO_COMPANIES
    sql_by_field = {
        "who": "who = :who",
        "action": "action = :action",
        "subject": "subject = :subject",
        "since": "at >= :since",
        "until": "at < :until",
    }
    return f"FROM audit WHERE true{conditions(query, sql_by_field)} {_CONDITION_BY_KIND[query.kind]} {of_companies}"


def _parameters(query: AuditFilter) -> dict[str, Any]:
    companies = None if query.companies is None else sorted(query.companies)
    return {name: getattr(query, name) for name in query.__slots__ if name != "kind"} | {"companies": companies}


def recent_actions(tx: Transaction) -> list[str]:
    """Return the distinct actions of the visible entries among the newest 10,000 entries, sorted."""
    # A lower bound of ids limits the rows that are read. With a LIMIT of rows, row-level security would make PostgreSQL
    # read the whole history, until it finds enough entries of a small company.
    newest = "SELECT pg_sequence_last_value(CAST('audit_id_seq' AS regclass))"
    query = f"SELECT DISTINCT action FROM audit WHERE id > ({newest}) - 10000 ORDER BY action"
    return list(tx.execute(text(query)).scalars())
