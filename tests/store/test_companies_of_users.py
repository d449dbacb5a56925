"""Migrations 0023 and 0026: users of an earlier release belong to companies, and to clinics of these."""

from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import text

from config.database_urls import libpq_url
from payments.access import authentication, users
from payments.access.rights import Role, User
from payments.contract.keys import ClinicKey
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.connection import Transaction, connect, transaction
from payments.store.migrations import upgrade
from tests.builders.earlier_release import migrate_to
from tests.engines import scratch_database

EARLIER_USERS = """
INSERT INTO companies (company_id, timezone) VALUES ('acme', 'UTC'), ('beta', 'UTC');
INSERT INTO clinics (clinic_id, company_id) VALUES ('north', 'acme'), ('south', 'acme'), ('east', 'beta');
INSERT INTO users (name, role, clinics, password_hash, added_at, added_by) VALUES
    ('ann', 'admin', NULL, '', now(), 'tests'), ('kim', 'billing', '{north}', '', now(), 'tests'),
    ('bo', 'billing', '{east,north}', '', now(), 'tests'), ('odd', 'billing', '{unknown}', '', now(), 'tests');
"""


@pytest.mark.slow
def test_earlier_users_belong_to_the_companies_of_their_clinics(postgres_url: str) -> None:
    with scratch_database(postgres_url) as url:
        migrate_to(url, "0022")
        with psycopg.connect(libpq_url(url)) as connection:
            connection.execute(EARLIER_USERS)
        upgrade(url)
        database = connect(url, application_name="tests")
        with transaction(database) as tx:
            scopes = {row.user.name: row.user.scope for row in authentication.list_users(tx)}
        database.dispose()

    assert scopes == {
        "ann": EVERYTHING,
        "kim": Scope.of_clinic("acme", "north"),
        "bo": Scope.of_clinic_keys({"acme", "beta"}, {ClinicKey("acme", "north"), ClinicKey("beta", "east")}),
        "odd": Scope(frozenset(), frozenset({"unknown"})),
    }


def test_clinics_that_an_earlier_release_changed_count_without_their_companies(tx: Transaction) -> None:
    companies, now = frozenset({"acme", "beta"}), datetime.now(UTC)
    keys = {ClinicKey("acme", "north"), ClinicKey("beta", "east")}
    user = User("kim", Role.BILLING, Scope.of_clinic_keys(companies, keys))
    users.add(tx, user, "hash", now, "tests")
    assert [row.user for row in users.list_all(tx)] == [user]

    tx.execute(text("UPDATE users SET clinics = ARRAY['north', 'south']"))

    assert [row.user.scope for row in users.list_all(tx)] == [Scope(companies, frozenset({"north", "south"}))]
