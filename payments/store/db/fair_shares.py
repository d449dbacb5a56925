"""Select due rows in fair shares: a company with many due rows does not delay those of another company.

The index of a table begins with the company: `lines_due_by_company`, and `set_aside_due_by_company` of dead letters.
"""

from payments.store.db.conditions import is_here

# A loose index scan: one probe for each company that has rows with a due time, however many these are.
_WAITING = """
WITH RECURSIVE waiting AS (
    (SELECT company_id, due_at FROM {table} WHERE due_at IS NOT NULL AND company_id IS NOT NULL
        ORDER BY company_id, due_at LIMIT 1)
    UNION ALL
    SELECT following.* FROM waiting, LATERAL (
        SELECT company_id, due_at FROM {table} WHERE due_at IS NOT NULL AND company_id > waiting.company_id
        ORDER BY company_id, due_at LIMIT 1
    ) AS following
),
first_due AS (SELECT * FROM waiting {without_company}),
shares AS MATERIALIZED (
    SELECT company_id, ceil(CAST(:limit AS numeric) / count(*) OVER ())::integer AS share FROM first_due
    WHERE due_at <= :now AND {is_here} ORDER BY due_at, company_id LIMIT :limit
)
SELECT due.* FROM shares, LATERAL ({rows}) AS due LIMIT :limit
"""
_WITHOUT_COMPANY = """
UNION ALL (SELECT company_id, due_at FROM {table} WHERE due_at IS NOT NULL AND company_id IS NULL
    ORDER BY due_at LIMIT 1)
"""
_ROWS = """
(SELECT * FROM {table} WHERE {is_of_company} AND due_at <= :now ORDER BY due_at, id LIMIT shares.share {locking})
"""


def due_rows(table: str, locking: str = "") -> str:
    """Return SQL that selects up to `:limit` rows that are due at `:now`, the earliest of each company.

    Each company that has due rows gets the same share of the limit. A company with fewer rows leaves the rest of its
    share empty: it has no due rows afterwards, and the next selection divides the limit again. Of more companies than
    the limit, those that have waited longest get a row. Rows of a company that has moved are left out. `locking` is a
    locking clause for the selected rows; no other rows are locked.
    """
    return _select(
        table, "", _ROWS.format(table=table, is_of_company="company_id = shares.company_id", locking=locking)
    )


def due_rows_with_unknown_company(table: str) -> str:
    """Return SQL as `due_rows` does, for a table in which some rows have no company. These share as one company."""
    rows = (
        _ROWS.format(table=table, is_of_company=condition, locking="")
        for condition in ("company_id = shares.company_id", "shares.company_id IS NULL AND company_id IS NULL")
    )
    return _select(table, _WITHOUT_COMPANY.format(table=table), "UNION ALL".join(rows))


def _select(table: str, without_company: str, rows: str) -> str:
    return _WAITING.format(table=table, without_company=without_company, is_here=is_here("first_due"), rows=rows)
