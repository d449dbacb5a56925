"""If two people change a clinic, a company or a user at the same time, no change is lost."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from payments.access import authentication
from payments.access.authentication import NewPassword
from payments.access.rights import Role, User
from payments.contract.event import ChargeType
from payments.core.conflict import ChangedMeanwhileError
from payments.core.eligibility import ClinicSettings
from payments.core.scope import Scope
from payments.journeys import configuring
from payments.journeys.configuring import ClinicRow, CompanyUpdate, SettingsUpdate
from payments.store.db.connection import Database, Transaction, transaction
from tests.builders.events import NOW
from tests.journeys.test_concurrent_workers import wait_until_blocked

pytestmark = pytest.mark.slow

COPAY, SUPPLIES = ChargeType.COPAY, ChargeType.SUPPLIES


def run_while_uncommitted(
    database: Database, first: Callable[[Transaction], object], second: Callable[[Transaction], object]
) -> None:
    """Call `first` and `second` in two transactions. `second` waits for a lock until `first` is committed."""

    def run_second(other: Transaction) -> None:
        second(other)
        other.commit()

    with ThreadPoolExecutor(1) as threads, database.connect() as other, database.connect() as onlooker:
        pid = other.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with transaction(database) as tx:
            first(tx)
            waiting = threads.submit(run_second, other)
            wait_until_blocked(onlooker, pid)
        waiting.result()


@pytest.fixture
def clinic(shared_database: Database) -> str:
    name = f"s-{uuid4().hex[:8]}"
    update = SettingsUpdate(name, name, integration=False, charge_types=[COPAY])
    with transaction(shared_database) as tx:
        configuring.set_clinic(tx, update, now=NOW, who="user:ann")
    return name


@pytest.mark.parametrize("later", [timedelta(seconds=1), timedelta(0), timedelta(seconds=-1)], ids=str)
def test_concurrent_changes_of_a_clinic_are_both_kept(shared_database: Database, clinic: str, later: timedelta) -> None:
    # The second change begins before the first one is committed; its clock may even be behind.
    switch = SettingsUpdate(clinic, clinic, integration=True)
    types = SettingsUpdate(clinic, clinic, charge_types=[SUPPLIES])
    run_while_uncommitted(
        shared_database,
        lambda tx: configuring.set_clinic(tx, switch, now=NOW + timedelta(minutes=1), who="user:ann"),
        lambda tx: configuring.set_clinic(tx, types, now=NOW + timedelta(minutes=1) + later, who="user:bob"),
    )

    with transaction(shared_database) as tx:
        after = configuring.list_clinic_settings(tx, NOW + timedelta(days=1), clinic)
        assert after == [ClinicRow(clinic, clinic, integration=True, types=[SUPPLIES])]
        assert [row.set_by for row in configuring.show_history(tx, switch.key)] == ["user:bob", "user:ann", "user:ann"]


def test_concurrent_changes_of_a_company_are_both_kept(shared_database: Database, clinic: str) -> None:
    run_while_uncommitted(
        shared_database,
        lambda tx: configuring.set_company(tx, CompanyUpdate(clinic, hold_days=3), now=NOW, who="user:ann"),
        lambda tx: configuring.set_company(tx, CompanyUpdate(clinic, dos_first=True), now=NOW, who="user:bob"),
    )

    with transaction(shared_database) as tx:
        (row,) = configuring.list_companies(tx, Scope.of_clinics(clinic))
    assert (row.hold_days, row.dos_first) == (3, True)


def test_concurrent_changes_of_a_user_are_both_kept(shared_database: Database) -> None:
    name = f"u-{uuid4().hex[:8]}"
    with transaction(shared_database) as tx:
        configuring.set_clinic(tx, SettingsUpdate("north", "company", integration=True), now=NOW, who="user:ann")
        authentication.add_user(tx, User(name, Role.BILLING), NewPassword("long enough to use"), NOW, "user:ann")
    limited = Scope(frozenset({"company"}), frozenset({"north"}))

    def change(tx: Transaction, **changes: Any) -> None:
        before = authentication.lock_user(tx, name)
        authentication.change_user(tx, replace(before, **changes), NOW, "user:ann")

    run_while_uncommitted(
        shared_database, lambda tx: change(tx, role=Role.SUPPORT), lambda tx: change(tx, scope=limited)
    )

    with transaction(shared_database) as tx:
        assert authentication.find_user(tx, name) == User(name, Role.SUPPORT, limited)


@pytest.mark.parametrize(
    ("integration", "types", "changes"),
    [
        (True, {COPAY}, "integration: on to off"),
        (False, {SUPPLIES}, "added: Copay; removed: Supplies"),
        (False, set(), "added: Copay"),
        (True, {COPAY, SUPPLIES}, "integration: on to off; removed: Supplies"),
    ],
)
def test_change_based_on_earlier_settings_is_refused_and_says_what_changed(
    shared_database: Database, clinic: str, integration: bool, types: set[ChargeType], changes: str
) -> None:
    seen = ClinicSettings(integration, frozenset(types))
    update = SettingsUpdate(clinic, clinic, integration=True, charge_types=[SUPPLIES], seen=seen)
    with transaction(shared_database) as tx:
        with pytest.raises(ChangedMeanwhileError) as error:
            configuring.set_clinic(tx, update, now=NOW + timedelta(days=1), who="user:bob")
        assert (error.value.changes, error.value.changed_by) == (changes, "user:ann")
        assert str(error.value) == f"clinic {clinic} was changed meanwhile: {changes}; nothing was saved"
        assert configuring.list_clinic_settings(tx, NOW + timedelta(days=2), clinic)[0].types == [COPAY]

        current = update._replace(seen=ClinicSettings(integration=False, charge_types=frozenset({COPAY})))
        assert configuring.set_clinic(tx, current, now=NOW + timedelta(days=1), who="user:bob").types == [SUPPLIES]
