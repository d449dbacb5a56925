"""Select due rows in fair shares, so that a company with many due rows does not delay other companies.

The indexes `lines_due_by_company` and `set_aside_due_by_company` (dead letters) begin with the company.
"""

from payments.store.db.conditions import has_not_moved

# A loose index scan: one probe for each company that has rows with a due time, however many these are.
_DUE_ROWS_QUERY = """
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
    WHERE due_at <= :now AND {has_not_moved} ORDER BY due_at, company_id LIMIT :limit
)
SELECT due.* FROM shares, LATERAL ({rows}) AS due LIMIT :limit
"""
_ROW_WITHOUT_COMPANY = """
UNION ALL (SELECT company_id, due_at FROM {table} WHERE due_at IS NOT NULL AND company_id IS NULL
    ORDER BY due_at LIMIT 1)
"""
_ROWS_OF_SHARE = """
(SELECT * FROM {table} WHERE {is_of_company} AND due_at <= :now ORDER BY due_at, id LIMIT shares.share {locking})
"""


def due_rows(table: str, locking: str = "") -> str:
    """Return SQL that selects up to `:limit` rows that are due at `:now`, the earliest rows of each company.

    Each company with due rows gets an equal share of the limit. The unused part of a share is not given to other
    companies. If there are more companies than `:limit`, the companies that have waited longest get one row each. Rows
    of a company that has moved to another installation are omitted.

    `locking` is a locking clause for the selected rows. No other rows are locked.
    """
    return _build_query(
        table, "", _ROWS_OF_SHARE.format(table=table, is_of_company="company_id = shares.company_id", locking=locking)
    )


def due_rows_with_unknown_company(table: str) -> str:
    """Return SQL as `due_rows` does, for a table in which some rows have no company.

    All rows without a company together get the share of one company.
    """
    rows = (
        _ROWS_OF_SHARE.format(table=table, is_of_company=condition, locking="")
        for condition in ("company_id = shares.company_id", "shares.company_id IS NULL AND company_id IS NULL")
    )
    return _build_query(table, _ROW_WITHOUT_COMPANY.format(table=table), "UNION ALL".join(rows))


def _build_query(table: str, without_company: str, rows: str) -> str:
    return _DUE_ROWS_QUERY.format(
        table=table, without_company=without_company, has_not_moved=has_not_moved("first_due"), rows=rows
    )
