"""The EMR's Payment Log in temporary tables, which balancing joins with the ledger (rule D9)."""

from collections.abc import Iterable
from itertools import islice

from sqlalchemy import Boolean, Column, Date, MetaData, Table, Text

from payments.contract.keys import LocalKey
from payments.contract.payment_log import EmrLogRow
from payments.core.ambiguity import AmbiguousIdError
from payments.core.scope import Scope
from payments.store.db.bulk import column_arrays, insert_statement
from payments.store.db.conditions import in_optional_scope, optional_scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.tables import Dollars, lines

_CHUNK_ROWS = 10_000
_metadata = MetaData()  # the tables are no part of the schema
_emr_log = Table(
    "emr_log",
    _metadata,
    *(Column(name, Text, nullable=False) for name in LocalKey._fields),
    Column("amount", Dollars, nullable=False),
    Column("day", Date, nullable=False),
    Column("charge_type", Text),
    Column("internal_payment", Boolean),
    Column("version", lines.c.version.type),
)
_clinics = Table("emr_log_clinics", _metadata, Column("clinic_id", Text), Column("company_id", Text))

LOGGED_LINES_CTE = """
logged_lines AS NOT MATERIALIZED (SELECT emr_log.*, company_id FROM emr_log JOIN emr_log_clinics USING (clinic_id)),
"""
"""A CTE of the log's rows with their companies, for statements after `load_into_temporary_tables`."""

# The log names no company. A clinic is that of the company which has it or, if none has, whose events of it were
# refused.
_COMPANIES_BY_CLINIC_QUERY = f"""
WITH logged AS (SELECT DISTINCT clinic_id FROM emr_log),
known AS (
    SELECT company_id, clinic_id FROM clinics JOIN logged USING (clinic_id)
    WHERE {in_optional_scope("company_id", "clinic_id")}
),
refused AS (
    SELECT DISTINCT company_id, clinic_id FROM set_aside JOIN logged USING (clinic_id)
    WHERE company_id IS NOT NULL AND NOT EXISTS (SELECT FROM known WHERE known.clinic_id = logged.clinic_id)
        AND {in_optional_scope("company_id", "clinic_id")}
)
SELECT clinic_id, array_remove(array_agg(company_id ORDER BY company_id), NULL) AS companies
FROM logged LEFT JOIN (TABLE known UNION ALL TABLE refused) AS found USING (clinic_id) GROUP BY clinic_id
"""


def load_into_temporary_tables(tx: Transaction, log: Iterable[EmrLogRow], scope: Scope) -> None:
    """Copy the EMR's Payment Log into temporary tables that exist until the transaction ends.

    The log names no companies. Each of its clinics is assigned to the company of the scope that has the clinic. Raises
    AmbiguousIdError if several of these companies have the clinic.
    """
    for table in (_emr_log, _clinics):
        columns = ", ".join(f"{column.name} {column.type.compile()}" for column in table.columns)
        tx.execute(text(f"DROP TABLE IF EXISTS pg_temp.{table.name}"))
        tx.execute(text(f"CREATE TEMPORARY TABLE {table.name} ({columns}) ON COMMIT DROP"))
    rows = ({**each.key._asdict(), "amount": each.amount, **each.details._asdict()} for each in log)
    log_columns = [column.name for column in _emr_log.columns]
    while chunk := list(islice(rows, _CHUNK_ROWS)):
        tx.execute(text(insert_statement(_emr_log, log_columns)), column_arrays(chunk, log_columns))
    companies = [
        {"clinic_id": row.clinic_id, "company_id": _company_of_clinic(row.clinic_id, row.companies, scope)}
        for row in tx.execute(text(_COMPANIES_BY_CLINIC_QUERY), optional_scope_parameters(scope))
    ]
    clinic_columns = [column.name for column in _clinics.columns]
    tx.execute(text(insert_statement(_clinics, clinic_columns)), column_arrays(companies, clinic_columns))
    for table in (_emr_log, _clinics):
        tx.execute(text(f"ANALYZE {table.name}"))


def _company_of_clinic(clinic_id: str, companies: list[str], scope: Scope) -> str | None:
    """Return the company of a clinic in the log.

    If no company has the clinic, return the first company of the scope, or None for a scope of all companies. Raises
    AmbiguousIdError if several companies have the clinic.
    """
    if len(companies) > 1:
        raise AmbiguousIdError(f"clinic {clinic_id}", companies)
    return companies[0] if companies else min(scope.companies, default=None) if scope.companies else None
