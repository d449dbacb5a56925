"""The work queue of exceptions (rule D6): owners, due dates and the next exception."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.access import users
from payments.access.rights import Role, User
from payments.core.finding import DecisionError
from payments.core.scope import Scope
from payments.core.service_level import due_date
from payments.journeys import adjusting, assigning, configuring, reporting
from payments.journeys.assigning import Assignment
from payments.journeys.configuring import CompanyUpdate
from payments.journeys.reporting import ExceptionFilter, ExceptionRow
from payments.store.db.connection import Database, Transaction, transaction
from tests.builders.events import deleted_payment, paid, saved_payment
from tests.builders.office import BILLER, Office, office_with_closed_april
from tests.examples import example_count
from tests.journeys.test_concurrent_exceptions import NOW, ClosedAprilLedger
from tests.journeys.test_concurrent_workers import run_concurrently

ANN, BOB = User("ann", Role.BILLING), User("bob", Role.BILLING)
FIRST_SAVE = saved_payment(**paid("25.00", "2020-04-08"))


def add_user(tx: Transaction, user: User) -> None:
    assert users.add(tx, user, "not a hash", datetime(2020, 1, 1, tzinfo=UTC), "user:admin")


@pytest.fixture
def office(tx: Transaction) -> Office:
    """An office with three open exceptions, and the billers ann and bob."""
    office = office_with_closed_april(
        tx, *(saved_payment(payment_id=f"p{n}", **paid("25.00", "2020-04-08")) for n in range(3))
    )
    office.publish(*(deleted_payment(payment_id=f"p{n}", version=2) for n in range(3)))
    for user in (ANN, BOB):
        add_user(tx, user)
    return office


def assign(office: Office, finding_id: int, owner: str | None, seen_owner: str | None = None) -> None:
    assigning.assign(office.tx, Assignment(finding_id, owner, seen_owner), office.now, BILLER)


def owners(office: Office) -> list[str | None]:
    return [row.owner for row in office.open_exceptions()]


def claim_as(office: Office, user: User, **more: object) -> ExceptionRow | None:
    return assigning.claim_next(office.tx, ExceptionFilter(**more), user, office.now, user.audit_name)


def test_next_exception_is_the_oldest_unassigned_one(office: Office) -> None:
    first, second, third = office.open_exceptions()
    assign(office, second.id, "bob")

    claimed = [claim_as(office, ANN) for _ in range(3)]

    assert [row and row.id for row in claimed] == [first.id, third.id, None]
    assert owners(office) == ["ann", "bob", "ann"]


def test_next_exception_is_one_that_matches_the_filter(office: Office) -> None:
    assert claim_as(office, ANN, scope=Scope.of_companies("another")) is None
    assert claim_as(office, ANN, has_proposal=False) is None
    assert claim_as(office, ANN, case="deleted", since=date(2020, 4, 8), overdue_at=office.now) is None
    assert claim_as(office, ANN, overdue_at=office.now + timedelta(days=30)) is not None


def test_decided_exceptions_are_never_the_next(office: Office) -> None:
    office.accept_all()

    assert claim_as(office, ANN) is None


def test_owner_stays_after_a_decision_and_after_a_newer_version(office: Office) -> None:
    found, *_ = office.open_exceptions()
    assign(office, found.id, "ann")

    office.publish(saved_payment(payment_id="p0", version=3, **paid("30.00", "2020-04-08")))
    assert owners(office)[0] == "ann"
    office.accept_all()

    assert {row.owner for row in reporting.exceptions(office.tx, ExceptionFilter(status=None))} == {"ann", None}


def test_work_filter_selects_own_unassigned_and_overdue_exceptions(office: Office) -> None:
    first, second, _ = office.open_exceptions()
    assign(office, first.id, "ann")

    def ids(**more: object) -> list[int]:
        return [row.id for row in reporting.exceptions(office.tx, ExceptionFilter(**more))]

    assert ids(owner="ann") == [first.id]
    assert second.id in ids(is_unassigned=True)
    assert first.id not in ids(is_unassigned=True)
    assert first.due_on == date(2020, 6, 19)
    assert ids(overdue_at=datetime(2020, 6, 19, 23, tzinfo=UTC)) == []
    assert len(ids(overdue_at=datetime(2020, 6, 20, 0, tzinfo=UTC))) == 3
    counts = reporting.exception_counts(office.tx, ExceptionFilter(overdue_at=datetime(2020, 6, 20, tzinfo=UTC)))
    assert [each.count for each in counts] == [3]


def test_suggested_owners_belong_to_the_companies_of_the_user(tx: Transaction) -> None:
    for name, companies in (("of-alpha", ("alpha",)), ("of-beta", ("beta",)), ("of-both", ("alpha", "beta"))):
        add_user(tx, User(name, Role.BILLING, Scope.of_companies(*companies)))
    for user in (ANN, User("support", Role.SUPPORT, Scope.of_companies("alpha"))):
        add_user(tx, user)

    def names_of_owners(scope: Scope) -> list[str]:
        return [user.name for user in assigning.list_assignable_users(tx, scope)]

    assert names_of_owners(Scope()) == ["ann", "of-alpha", "of-beta", "of-both"]
    assert (
        names_of_owners(Scope.of_companies("alpha"))
        == names_of_owners(Scope.of_clinic("alpha", "north"))
        == ["of-alpha"]
    )


def test_due_date_follows_the_companys_service_level_and_time_zone(office: Office) -> None:
    update = CompanyUpdate("company", timezone="Pacific/Auckland", exception_days=2)
    configuring.set_company(office.tx, update, now=office.now, who="user:admin")

    # 12:00 UTC on Friday is Saturday in Auckland.
    assert {row.due_on for row in office.open_exceptions()} == {date(2020, 6, 16)}


@settings(max_examples=example_count(15))
@given(opened_on=st.dates(date(2020, 1, 1), date(2021, 12, 31)), business_days=st.integers(1, 60))
def test_due_date_computed_by_sql_equals_that_of_the_rule(
    shared_database: Database, opened_on: date, business_days: int
) -> None:
    with transaction(shared_database) as tx:
        office = Office(tx, opened_on)
        update = CompanyUpdate("company", exception_days=business_days)
        configuring.set_company(tx, update, now=office.now, who="user:admin")
        office.publish(saved_payment(amount_due="0.00"))
        (found,) = [row for row in office.open_exceptions() if row.company == "company"]
        tx.rollback()

    assert found.due_on == due_date(opened_on, business_days)


def test_exception_is_not_assigned_to_a_user_who_may_not_decide_it(office: Office, tx: Transaction) -> None:
    found, *_ = office.open_exceptions()
    add_user(tx, User("kim", Role.FRONT_OFFICE))
    add_user(tx, User("lee", Role.BILLING, Scope.of_companies("another")))
    add_user(tx, User("max", Role.BILLING))
    users.disable(tx, "max", office.now)

    for name in ("kim", "max", "nobody"):
        with pytest.raises(DecisionError, match=f"there is no active user {name} who may decide exceptions"):
            assign(office, found.id, name)
    with pytest.raises(DecisionError, match="user lee may not see payments of clinic clinic"):
        assign(office, found.id, "lee")
    assert owners(office) == [None] * 3


def test_assignment_is_refused_if_the_owner_has_changed_meanwhile(office: Office) -> None:
    found, *_ = office.open_exceptions()
    assign(office, found.id, "bob", seen_owner="")

    with pytest.raises(DecisionError, match="it was assigned to bob meanwhile"):
        assign(office, found.id, "ann", seen_owner="")
    assign(office, found.id, "bob", seen_owner="")
    assign(office, found.id, None, seen_owner="bob")

    assert owners(office) == [None] * 3


def test_decided_exception_is_not_assigned(office: Office) -> None:
    found, *_ = office.open_exceptions()
    office.acknowledge(found)

    with pytest.raises(DecisionError, match="it was already acknowledged"):
        assign(office, found.id, "ann")


@pytest.mark.slow
def test_eight_users_at_the_same_time_get_different_exceptions(shared_database: Database) -> None:
    ledger = ClosedAprilLedger(shared_database, 40)
    ledger.import_events(*(deleted_payment(payment_id=f"p{n}", version=2, **ledger.ids) for n in range(40)))
    ledger.detect_all()
    scope = Scope.of_companies(ledger.company)

    def work(name: str) -> list[int]:
        """Claim and accept exceptions until none is left."""
        own = []
        while True:
            with transaction(shared_database) as tx:
                row = assigning.claim_next(
                    tx, ExceptionFilter(scope=scope), User(name, Role.BILLING), NOW, f"user:{name}"
                )
            if row is None:
                return own
            own.append(row.id)
            if len(own) % 2:
                with transaction(shared_database) as tx:
                    adjusting.accept(tx, row.id, None, NOW, f"user:{name}")

    claimed: list[list[int]] = run_concurrently(*(lambda name=f"biller-{n}": work(name) for n in range(8)))

    every = sorted(exception_id for own in claimed for exception_id in own)
    assert every == sorted({row.id for row in ledger.exceptions(only_open=False)})
    assert len(every) == 40
    assert {row.owner for row in ledger.exceptions(only_open=False)} == {
        f"biller-{n}" for n, own in enumerate(claimed) if own
    }
