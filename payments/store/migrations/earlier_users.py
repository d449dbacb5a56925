"""Set the companies of users to whom a console of an earlier release gave clinics, but no companies."""

from datetime import datetime

from payments.store.db.connection import Transaction
from payments.store.db.statement import text

_LACKS_COMPANIES = "users.companies IS NULL AND users.clinics IS NOT NULL"
_FILL_STATEMENT = f"""
WITH found AS (
    SELECT users.name, array_agg(DISTINCT company_id ORDER BY company_id) AS companies, count(*) AS pairs,
        count(DISTINCT clinic_id) AS clinics, jsonb_agg(jsonb_build_array(company_id, clinic_id)) AS keys
    FROM users JOIN clinics ON clinic_id = ANY (users.clinics) WHERE {_LACKS_COMPANIES} GROUP BY users.name
)
UPDATE users SET companies = found.companies, companies_since = :now,
    clinic_keys = CASE WHEN cardinality(found.companies) > 1 THEN keys END
FROM found WHERE users.name = found.name AND {_LACKS_COMPANIES} AND found.pairs = found.clinics
    AND found.clinics = (SELECT count(DISTINCT id) FROM unnest(users.clinics) AS id)
RETURNING users.name
"""


def fill_companies(tx: Transaction, now: datetime) -> list[str]:
    """Give users who have clinics but no companies the companies of their clinics. Return the names of these users.

    Administrators of these companies see what the users do from `now` on. A user is skipped if one of the clinics is
    unknown or belongs to several companies. Locks: the changed rows.
    """
    return sorted(tx.execute(text(_FILL_STATEMENT), {"now": now}).scalars())


def users_without_companies(tx: Transaction) -> list[str]:
    """Return the names of the users who still have no companies.

    They see nothing until somebody sets their companies.
    """
    return list(tx.execute(text(f"SELECT name FROM users WHERE {_LACKS_COMPANIES} ORDER BY name")).scalars())
