"""The printed key of a payment. It begins with the company only if several companies of a scope share the clinic id.

Companies share a clinic id if each of them has this clinic, or has an open dead letter that names it. (An invalid event
may name a clinic that its company does not have.) A user of one company sees `clinic/payment/line`, regardless of the
ids of other companies.
"""

from payments.core.scope import Scope
from payments.store.db.conditions import in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.statement import text

_NAMES_CLINIC = "closed_at IS NULL AND company_id || clinic_id IS NOT NULL"


def printed_key(scope: Scope, table: str = "") -> str:
    """Return the SQL expression of the printed key of a row. The row has the columns of a line's key.

    `table` qualifies the columns. The statement needs the parameters `scope_parameters`. The value is null if the
    clinic, the payment or the line is null. A null company is omitted.
    """
    name = f"{table}." if table else ""
    return f"{printed_clinic(scope, table)} || '/' || {name}payment_id || '/' || {name}line_id"


def printed_clinic(scope: Scope, table: str = "") -> str:
    """Return the SQL expression of the clinic in the printed key of a row: `clinic` or `company:clinic`."""
    name = f"{table}." if table else ""
    if not _has_several_companies(scope):
        return f"{name}clinic_id"
    company = (
        f"CASE WHEN {name}clinic_id IN ({_shared_ids(scope)}) THEN coalesce({name}company_id || ':', '') ELSE '' END"
    )
    return f"{company} || {name}clinic_id"


def shared_clinic_ids(tx: Transaction, scope: Scope) -> frozenset[str]:
    """Return the clinic ids that several companies of a scope share."""
    if not _has_several_companies(scope):
        return frozenset()
    return frozenset(tx.execute(text(_shared_ids(scope)), scope_parameters(scope)).scalars())


def _has_several_companies(scope: Scope) -> bool:
    return scope.companies is None or len(scope.companies) > 1


def _shared_ids(scope: Scope) -> str:
    # The query depends on no row, so PostgreSQL runs it once for a statement. The index `set_aside_clinics` holds what
    # it reads of dead letters.
    clinics = f"SELECT company_id, clinic_id FROM clinics WHERE true{in_scope(scope, 'clinics')}"
    named = f"SELECT company_id, clinic_id FROM set_aside WHERE {_NAMES_CLINIC}{in_scope(scope, 'set_aside')}"
    shared = f"SELECT clinic_id FROM ({clinics} UNION {named}) AS known GROUP BY clinic_id HAVING count(*) > 1"
    # The planner expects few elements of an array, so it puts them into a hash table even if it has no statistics.
    return f"SELECT unnest(ARRAY({shared}))"
