"""The search functions run as the owner of the tables, but return only rows of the transaction's companies."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text

from config.database_urls import libpq_url
from payments.core.scope import Scope
from payments.journeys import searching
from payments.store.db.connection import Database, Transaction, connect, transaction
from payments.store.db.isolation import (
    ALL_COMPANIES,
    AUTHENTICATION_ACCESS,
    NO_ACCESS,
    Access,
    connect_isolated,
    with_access,
)
from tests.builders.committed import ClinicLedger
from tests.builders.events import saved_patient, saved_payment
from tests.engines import scratch_database

pytestmark = pytest.mark.slow

OWN, FOREIGN = "own", "foreign"
BOTH_COMPANIES_SQL = "ARRAY['own', 'foreign']"
QUERY_BY_FUNCTION = {
    "find_patients": f"SELECT company FROM find_patients({BOTH_COMPANIES_SQL}, NULL, ARRAY['bea'], 10)",
    "lines_of_amount": f"SELECT company FROM lines_of_amount({BOTH_COMPANIES_SQL}, NULL, 73.19, 10)",
}


@pytest.fixture(scope="module")
def url(postgres_url: str, ledger_template: str) -> Iterator[str]:
    """A database with two companies. Each has a patient of the same name, with a payment of the same amount."""
    with scratch_database(postgres_url, ledger_template) as found:
        database = connect(found, application_name="tests")
        ledger = ClinicLedger(database)
        for company in (OWN, FOREIGN):
            ids = {"company_id": company, "clinic_id": f"clinic-of-{company}", "patient_id": "bea"}
            ledger.set_clinic(str(ids["clinic_id"]), company_id=company)
            ledger.import_events(
                saved_patient("bea", company_id=company, name="Beatrix"), saved_payment("73.19", **ids)
            )
        database.dispose()
        yield found


@pytest.fixture(scope="module")
def isolated_database(url: str) -> Iterator[Database]:
    opened = connect_isolated(url, application_name="tests", pool_size=1)
    yield opened
    opened.dispose()


def companies_found(tx: Transaction, function: str) -> list[str]:
    return sorted(tx.execute(text(QUERY_BY_FUNCTION[function])).scalars())


@pytest.mark.parametrize("function", QUERY_BY_FUNCTION)
@pytest.mark.parametrize(
    ("access", "found"),
    [
        (Access(frozenset({OWN})), [OWN]),
        (Access(frozenset({OWN, FOREIGN})), [FOREIGN, OWN]),
        (ALL_COMPANIES, [FOREIGN, OWN]),
        (NO_ACCESS, []),
        (AUTHENTICATION_ACCESS, []),
    ],
)
def test_function_returns_rows_of_the_companies_of_the_transaction(
    isolated_database: Database, function: str, access: Access, found: list[str]
) -> None:
    with transaction(with_access(isolated_database, access)) as tx:
        assert companies_found(tx, function) == found


@pytest.mark.parametrize("function", QUERY_BY_FUNCTION)
def test_function_refuses_a_role_that_may_not_read_payments(url: str, function: str) -> None:
    with psycopg.connect(libpq_url(url), autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS search_stranger")
        connection.execute("CREATE ROLE search_stranger")
        try:
            connection.execute("SET SESSION AUTHORIZATION search_stranger")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(QUERY_BY_FUNCTION[function])
        finally:
            connection.execute("RESET SESSION AUTHORIZATION")
            connection.execute("DROP ROLE search_stranger")


@pytest.mark.parametrize("wanted", ["Beatrix", "bea", "$73.19", "beatriks"])
def test_row_level_security_limits_a_search_without_a_scope(isolated_database: Database, wanted: str) -> None:
    with transaction(with_access(isolated_database, Access(frozenset({OWN})))) as tx:
        found = searching.search(tx, wanted, Scope())

    companies = [each.patient.company for each in found.patients] + [
        each.payment.row.company for each in found.payments
    ]
    assert {*companies} == {OWN}
