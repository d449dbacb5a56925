"""Each repetition of a version with other content opens an exception."""

import pytest

from payments.store.db.connection import Transaction
from tests.builders.events import next_version, paid, saved_payment
from tests.builders.office import Office, office_with_closed_april

FIRST_SAVE = saved_payment(**paid("25.00", "2020-04-08"))
CHANGED_SAVE = next_version(FIRST_SAVE, amount_due="35.00", amount_paid="35.00")


@pytest.fixture
def office(tx: Transaction) -> Office:
    """An office whose April is closed."""
    return office_with_closed_april(tx, FIRST_SAVE)


def publish_conflict(office: Office, amount: str, version: int = 1) -> None:
    office.publish(saved_payment(**paid(amount, "2020-04-08"), version=version))


def open_exceptions(office: Office) -> list[tuple[str, str]]:
    """Return the open exceptions as (reason, amount in the EMR)."""
    return [(each.reason, str(each.amount_now)) for each in office.open_exceptions()]


def test_second_conflict_of_a_version_opens_an_exception_after_an_acknowledged_one(office: Office) -> None:
    publish_conflict(office, "30.00")
    assert open_exceptions(office) == [("version_conflict", "30.00")]
    office.acknowledge_only_exception()

    publish_conflict(office, "40.00")

    assert open_exceptions(office) == [("version_conflict", "40.00")]


def test_version_conflict_opens_an_exception_after_an_acknowledged_one(office: Office) -> None:
    office.publish(CHANGED_SAVE)
    office.acknowledge_only_exception()

    publish_conflict(office, "40.00", CHANGED_SAVE.version)

    assert open_exceptions(office) == [("version_conflict", "40.00")]
    office.acknowledge_only_exception()


def test_version_conflict_waits_for_the_open_exception_of_its_payment(office: Office) -> None:
    office.publish(CHANGED_SAVE)
    publish_conflict(office, "40.00", CHANGED_SAVE.version)
    assert [each.case for each in office.open_exceptions()] == ["edited"]

    office.accept_all()

    assert open_exceptions(office) == [("version_conflict", "40.00")]
