"""Companies and clinics that events added: a user confirms them, or retires them if they are empty."""

import threading
import time
from typing import Any

import pytest
from sqlalchemy import text

from payments.journeys import configuring, confirming, detecting, reporting
from payments.journeys.configuring import CompanyUpdate
from payments.journeys.confirming import ConfirmationError, NamedClinic
from payments.journeys.reporting import FeedFilter
from payments.journeys.requeueing import requeue
from payments.store.db.connection import Database, Transaction, transaction
from tests.builders.events import (
    COPAYS,
    NOW,
    SAVED_AT,
    saved_charge,
    saved_patient,
    saved_payment,
)
from tests.builders.ledger import (
    SETTINGS_SINCE,
    create_clinic,
    import_chunk,
    ledger_entries,
    retry_due,
    set_clinic_settings,
    transmission_of,
)

CLINIC, COMPANY = NamedClinic("company", "clinic"), NamedClinic("company", None)
AUDIT_USER = "user:ann"


def unconfirmed_ids(tx: Transaction) -> list[tuple[str, str, bool]]:
    return [(row.kind, row.id, row.retired_by is not None) for row in confirming.list_unconfirmed(tx)]


def audit_actions(tx: Transaction) -> list[tuple[str, str, str]]:
    return [tuple(row) for row in tx.execute(text("SELECT action, subject, company_id FROM audit ORDER BY id"))]


def wait_until_one_is_blocked(tx: Transaction) -> None:
    blocked = "SELECT EXISTS (SELECT FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
    until = time.monotonic() + 30
    while not tx.execute(text(blocked)).scalar_one():
        assert time.monotonic() < until


def not_sent_reasons(tx: Transaction) -> list[str | None]:
    return [row.reason for row in reporting.claims_feed(tx, FeedFilter(status="Not Sent"))]


def test_event_adds_an_unconfirmed_company_clinic_and_patient(tx: Transaction) -> None:
    import_chunk(tx, saved_payment())

    rows = confirming.list_unconfirmed(tx)
    assert [(row.kind, row.company, row.id, row.payments) for row in rows] == [
        ("company", "company", "company", 1),
        ("clinic", "company", "clinic", 1),
        ("patient", "company", "patient", 1),
    ]
    assert [tuple(row.contents) for row in rows] == [(0, 0, 0, 0)] * 3


def test_saving_clinic_settings_confirms_the_clinic_and_its_company(tx: Transaction) -> None:
    import_chunk(tx, saved_payment(), saved_patient())

    set_clinic_settings(tx, COPAYS, SETTINGS_SINCE)

    assert unconfirmed_ids(tx) == []
    assert audit_actions(tx) == []


def test_saving_company_settings_confirms_the_company_only(tx: Transaction) -> None:
    import_chunk(tx, saved_payment(), saved_patient())

    configuring.set_company(tx, CompanyUpdate("company"), now=NOW, who=AUDIT_USER)

    assert unconfirmed_ids(tx) == [("clinic", "clinic", False)]


def test_confirmation_is_recorded_in_the_audit_history(tx: Transaction) -> None:
    import_chunk(tx, saved_payment(), saved_patient())

    confirming.confirm(tx, CLINIC, NOW, AUDIT_USER)

    assert unconfirmed_ids(tx) == []
    assert audit_actions(tx) == [("confirmed clinic", "clinic", "company")]


def test_retired_clinic_is_not_listed_and_its_events_are_not_sent(tx: Transaction) -> None:
    import_chunk(tx, saved_payment(), saved_patient())
    confirming.retire(tx, CLINIC, NOW, AUDIT_USER)

    stats = import_chunk(tx, saved_payment(payment_id="later", patient_id="new"), saved_charge("c", "5.00"))

    assert stats.refused == 2
    assert not_sent_reasons(tx) == ["integration_off", "unknown_clinic", "unknown_clinic"]
    assert (configuring.list_clinic_ids(tx), configuring.list_clinic_settings(tx, NOW)) == ([], [])
    assert tx.execute(text("SELECT count(*) FROM patients WHERE patient_id = 'new'")).scalar() == 0
    assert audit_actions(tx) == [("retired clinic", "clinic", "company")]


def test_retired_company_is_not_listed_and_its_events_are_not_sent(tx: Transaction) -> None:
    import_chunk(tx, saved_payment())
    confirming.retire(tx, COMPANY, NOW, AUDIT_USER)

    assert import_chunk(tx, saved_payment(payment_id="later"), saved_patient()).refused == 2

    assert sorted(map(str, not_sent_reasons(tx))) == ["integration_off", "unknown_company", "unknown_company"]
    assert (configuring.list_companies(tx), configuring.list_clinic_settings(tx, NOW)) == ([], [])
    assert unconfirmed_ids(tx)[0] == ("company", "company", True)


@pytest.mark.parametrize("named", [CLINIC, COMPANY])
def test_requeue_imports_a_payment_after_its_retired_clinic_or_company_is_confirmed(
    tx: Transaction, named: NamedClinic
) -> None:
    create_clinic(tx)
    confirming.retire(tx, named, NOW, AUDIT_USER)
    import_chunk(tx, saved_payment())
    assert transmission_of(tx)[0] == "Not Sent"

    confirming.confirm(tx, CLINIC, NOW, AUDIT_USER)
    requeue(tx, ["clinic/payment/1"], NOW, AUDIT_USER)
    retry_due(tx)

    assert ledger_entries(tx) == [("25.00", "2026-06-05")]


def test_saving_clinic_settings_restores_a_retired_company(tx: Transaction) -> None:
    create_clinic(tx)
    confirming.retire(tx, COMPANY, NOW, AUDIT_USER)

    set_clinic_settings(tx, COPAYS, SAVED_AT)

    assert import_chunk(tx, saved_payment()).imported == 1
    assert [action for action, *_ in audit_actions(tx)] == ["retired company", "confirmed clinic"]


def test_requeued_payment_of_a_retired_clinic_is_not_posted(tx: Transaction) -> None:
    import_chunk(tx, saved_payment(), saved_patient())
    set_clinic_settings(tx, COPAYS, SETTINGS_SINCE)
    confirming.retire(tx, CLINIC, NOW, AUDIT_USER)

    requeue(tx, ["clinic/payment/1"], NOW, AUDIT_USER)
    retry_due(tx)

    assert (transmission_of(tx)[1], ledger_entries(tx)) == ("integration_off", [])


@pytest.mark.parametrize(
    ("events", "held"),
    [
        ([saved_payment()], "ledger entries: 1"),
        ([saved_payment(patient_id="stranger")], "pending payments: 1"),
        ([saved_charge("c", "5.00")], "charges: 1"),
        ([saved_payment(amount_due="0.00")], "open exceptions: 1"),
    ],
    ids=["posted", "pending", "charge", "exception"],
)
@pytest.mark.parametrize("named", [CLINIC, COMPANY], ids=["clinic", "company"])
def test_retire_of_nonempty_clinic_or_company_is_rejected_with_counts(
    tx: Transaction, named: NamedClinic, events: list[Any], held: str
) -> None:
    create_clinic(tx)
    import_chunk(tx, *events)
    detecting.detect(tx, NOW, "tests-1", 100)

    with pytest.raises(ConfirmationError, match=f"is not empty: {held}; nothing was changed"):
        confirming.retire(tx, named, NOW, AUDIT_USER)

    assert unconfirmed_ids(tx)[:1] != [("clinic", "clinic", True)]


@pytest.mark.parametrize("named", [("company", "nroth"), ("other", "clinic"), ("x", None)])
@pytest.mark.parametrize("action", [confirming.confirm, confirming.retire])
def test_unknown_company_or_clinic_can_be_neither_confirmed_nor_retired(
    tx: Transaction, named: tuple[str, str | None], action: Any
) -> None:
    create_clinic(tx)

    with pytest.raises(ConfirmationError, match="Billing has no"):
        action(tx, NamedClinic(*named), NOW, AUDIT_USER)


def test_retiring_a_retired_clinic_is_an_error(tx: Transaction) -> None:
    create_clinic(tx)
    confirming.retire(tx, CLINIC, NOW, AUDIT_USER)

    with pytest.raises(ConfirmationError, match="is retired already"):
        confirming.retire(tx, CLINIC, NOW, AUDIT_USER)


def test_retire_waits_for_an_import_and_sees_its_payment(shared_database: Database) -> None:
    with transaction(shared_database) as tx:
        create_clinic(tx)
    errors: list[str] = []

    def retire() -> None:
        with transaction(shared_database) as tx:
            try:
                confirming.retire(tx, CLINIC, NOW, AUDIT_USER)
            except ConfirmationError as error:
                errors.append(str(error))

    retiring = threading.Thread(target=retire)
    with transaction(shared_database) as tx:
        import_chunk(tx, saved_payment())
        retiring.start()
        wait_until_one_is_blocked(tx)
    retiring.join(30)

    assert errors == [
        "clinic clinic of company company is not empty: an import has just added to it; nothing was changed"
    ]


def test_company_whose_settings_an_earlier_release_changed_is_confirmed(tx: Transaction) -> None:
    import_chunk(tx, saved_payment(), saved_patient())

    tx.execute(text("UPDATE companies SET hold_days = 10"))

    assert unconfirmed_ids(tx) == [("clinic", "clinic", False)]
