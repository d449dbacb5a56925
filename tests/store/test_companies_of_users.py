"""Migrations 0023 and 0026: users of an earlier release get companies, and (company, clinic) pairs."""

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
from payments.store.migrations import earlier_users, upgrade
from tests.builders.earlier_release import migrate_to
from tests.engines import scratch_database
from workers.runtime.company_keys import UnfinishedError, adopt_keys

INSERT_EARLIER_USERS = """
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
            connection.execute(INSERT_EARLIER_USERS)
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


def test_clinics_set_by_an_earlier_release_limit_the_user_in_each_company(tx: Transaction) -> None:
    companies, now = frozenset({"acme", "beta"}), datetime.now(UTC)
    keys = {ClinicKey("acme", "north"), ClinicKey("beta", "east")}
    user = User("kim", Role.BILLING, Scope.of_clinic_keys(companies, keys))
    users.add(tx, user, "hash", now, "tests")
    assert [row.user for row in users.list_all(tx)] == [user]

    tx.execute(text("UPDATE users SET clinics = ARRAY['north', 'south']"))

    assert [row.user.scope for row in users.list_all(tx)] == [Scope(companies, frozenset({"north", "south"}))]


def add_users_of_an_earlier_console(tx: Transaction) -> None:
    """Add users as an earlier release stores them, without companies. Two companies have the clinic `both`."""
    tx.execute(text("INSERT INTO companies (company_id, timezone) VALUES ('acme', 'UTC'), ('beta', 'UTC')"))
    keys = "('acme', 'north'), ('beta', 'east'), ('acme', 'both'), ('beta', 'both')"
    tx.execute(text(f"INSERT INTO clinics (company_id, clinic_id) VALUES {keys}"))
    for name, clinics in {"one": "north", "two": "north,east", "shared": "north,both", "odd": "north,unknown"}.items():
        values = f"'{name}', 'billing', '{{{clinics}}}', '', now(), 'tests'"
        columns = "name, role, clinics, password_hash, added_at, added_by"
        tx.execute(text(f"INSERT INTO users ({columns}) VALUES ({values})"))


def test_user_of_clinics_without_a_company_sees_nothing(tx: Transaction) -> None:
    add_users_of_an_earlier_console(tx)

    scopes = {row.user.name: row.user.scope for row in users.list_all(tx)}

    assert {name: scope.companies for name, scope in scopes.items()} == dict.fromkeys(scopes, frozenset())
    assert not any(scope.may_see("acme", "north") for scope in scopes.values())
    assert authentication.describe_scope(scopes["one"]) == "no company; choose the companies of clinics north"


def test_users_of_an_earlier_console_get_the_companies_of_clinics_that_are_unique(tx: Transaction) -> None:
    add_users_of_an_earlier_console(tx)

    assert earlier_users.fill_companies(tx, datetime.now(UTC)) == ["one", "two"]

    scopes = {row.user.name: row.user.scope for row in users.list_all(tx)}
    assert scopes["one"] == Scope.of_clinic("acme", "north")
    pairs = {ClinicKey("acme", "north"), ClinicKey("beta", "east")}
    assert scopes["two"] == Scope.of_clinic_keys({"acme", "beta"}, pairs)
    assert earlier_users.users_without_companies(tx) == ["odd", "shared"]
    assert earlier_users.fill_companies(tx, datetime.now(UTC)) == []


@pytest.mark.slow
def test_upgrade_is_not_finished_while_a_user_of_clinics_has_no_company(
    postgres_url: str, ledger_template: str
) -> None:
    with scratch_database(postgres_url, ledger_template) as url:
        database = connect(url, application_name="tests")
        with transaction(database) as tx:
            add_users_of_an_earlier_console(tx)
        with pytest.raises(UnfinishedError, match="have no company and see nothing: odd, shared; choose it"):
            adopt_keys(database, finishing=True)
        with transaction(database) as tx:
            tx.execute(text("DELETE FROM users WHERE name IN ('odd', 'shared')"))
        adopt_keys(database, finishing=True)
        database.dispose()
