"""Users whom a console of an earlier release limited to clinics. It knows no companies, so the row has none."""

from datetime import datetime

from payments.store.db.connection import Transaction
from payments.store.db.statement import text

_LACKS_COMPANIES = "users.companies IS NULL AND users.clinics IS NOT NULL"
_FILL = f"""
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


def fill(tx: Transaction, now: datetime) -> list[str]:
    """Give such users the companies of their clinics, and return the names of these users.

    Administrators of these companies see what the users do after `now`. A user is left out if one of the clinics is
    unknown or belongs to several companies. Locks: the changed rows.
    """
    return sorted(tx.execute(text(_FILL), {"now": now}).scalars())


def without_companies(tx: Transaction) -> list[str]:
    """Return the names of the users that are left. They see nothing until somebody chooses their companies."""
    return list(tx.execute(text(f"SELECT name FROM users WHERE {_LACKS_COMPANIES} ORDER BY name")).scalars())
