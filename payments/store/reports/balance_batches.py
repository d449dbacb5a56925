"""Choose the companies that the nightly balancing compares in one transaction, so that each transaction is short."""

from datetime import date

from payments.core.postponed_work import WorkItem, WorkKind
from payments.store.db.conditions import has_not_moved
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.ledger.postponed_work import is_postponed

_IS_POSTPONED = is_postponed(WorkKind.BALANCE_COMPANY, "companies.company_id", "''")

# Counted by clinic id, because an index holds it. A clinic id that companies share counts for each of them.
_NEXT_COMPANIES_QUERY = f"""
WITH of_clinics AS (
    SELECT clinic_id, count(*) AS line_count FROM lines
    WHERE transaction_date BETWEEN :since AND :until GROUP BY clinic_id
),
of_companies AS (
    SELECT company_id, sum(line_count) AS line_count FROM of_clinics JOIN clinics USING (clinic_id) GROUP BY company_id
),
remaining AS (
    SELECT company_id, row_number() OVER in_order AS position,
        sum(coalesce(of_companies.line_count, 0)) OVER in_order AS line_count
    FROM companies LEFT JOIN of_companies USING (company_id)
    WHERE company_id > :after AND {has_not_moved("companies")} AND NOT {_IS_POSTPONED}
    WINDOW in_order AS (ORDER BY company_id)
)
SELECT company_id FROM remaining WHERE position = 1 OR line_count <= :lines_max ORDER BY company_id
"""


def next_companies(tx: Transaction, after: str, since: date, until: date, lines_max: int) -> list[WorkItem]:
    """Return the next companies after a company id. Together they have at most `lines_max` lines.

    Only lines with a transaction date from `since` to `until` count. The first company is returned even if it has more
    lines. Companies whose balancing is postponed, or that have moved to another installation, are omitted. If no
    company follows, the result is empty.
    """
    parameters = {"after": after, "since": since, "until": until, "lines_max": lines_max}
    return [WorkItem(company_id) for company_id in tx.execute(text(_NEXT_COMPANIES_QUERY), parameters).scalars()]
