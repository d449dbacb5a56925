"""A commit that no standby has confirmed has an unknown result. Connections to a former primary are replaced."""

from types import SimpleNamespace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from payments.core.outage import OutageReason
from payments.journeys import importing, retrying
from payments.store.db.connection import connect, is_transient, transaction
from payments.store.db.failover import UnknownCommitError, is_unreplicated_commit
from payments.store.db.outages import outage_reason
from tests.builders.committed import CommittedLedger
from tests.builders.events import (
    deleted_payment,
    next_version,
    run_context,
    saved_charge,
    saved_patient,
    saved_payment,
    stream_entries,
)
from tests.builders.synchronous_primary import synchronous_primary

FAILOVER_IDS = {"clinic_id": "failover", "patient_id": "failover"}
FIRST_PAYMENT = saved_payment(payment_id="repeated", **FAILOVER_IDS)
EXCLUDED_PAYMENT = saved_payment(payment_id="excluded", internal_payment=True, **FAILOVER_IDS)
NEWER_VERSION = next_version(FIRST_PAYMENT, memo="newer")
HELD_PAYMENT = saved_payment(payment_id="held", clinic_id="failover", patient_id="never-saved")
SAVED_CHARGE = saved_charge("failover", "40.00", **FAILOVER_IDS)
SAVED_PATIENT = saved_patient("failover")
REPEATED_EVENTS = {
    "payment": [FIRST_PAYMENT],
    "payment that Billing excludes": [EXCLUDED_PAYMENT],
    "payment that waits for its patient": [HELD_PAYMENT],
    "older version": [FIRST_PAYMENT],
    "same version with another event id": [saved_payment(payment_id="repeated", **FAILOVER_IDS)],
    "deletion of an unknown payment": [deleted_payment(payment_id="gone", **FAILOVER_IDS)],
    "patient": [SAVED_PATIENT],
    "charge": [SAVED_CHARGE],
    "invalid event": [b"{}"],
    "all of them": [FIRST_PAYMENT, EXCLUDED_PAYMENT, HELD_PAYMENT, SAVED_CHARGE, SAVED_PATIENT, b"{}"],
}


@pytest.fixture(scope="module")
def primary(tmp_path_factory):
    with synchronous_primary(tmp_path_factory.mktemp("primary")) as running:
        yield running


@pytest.fixture(scope="module")
def replicated_engine(primary):
    """An engine on the primary. The database has a clinic, and all events of REPEATED_EVENTS are imported."""
    engine = connect(primary.url, application_name="tests")
    ledger = CommittedLedger(engine)
    ledger.set_clinic("failover")
    for events in REPEATED_EVENTS.values():
        ledger.import_events(*events)
    ledger.import_events(NEWER_VERSION)
    yield engine
    engine.dispose()


@pytest.mark.slow
def test_commit_without_the_confirmation_of_a_standby_is_unknown(primary, replicated_engine):
    with primary.standby_gone():
        with pytest.raises(UnknownCommitError) as unknown, transaction(replicated_engine) as tx:
            tx.execute(text("INSERT INTO companies VALUES ('failover-unknown')"))
        with transaction(replicated_engine) as tx:  # it writes nothing, so it waits for nothing
            found = tx.execute(text("SELECT 1 FROM companies WHERE company_id = 'failover-unknown'")).first()

    assert found is not None
    assert is_transient(unknown.value)
    assert outage_reason(unknown.value) is OutageReason.NOT_REPLICATED


@pytest.mark.slow
def test_commit_whose_session_is_terminated_fails_as_a_lost_connection(primary, replicated_engine):
    with (
        primary.standby_gone("pg_terminate_backend"),
        pytest.raises(DBAPIError) as lost,
        transaction(replicated_engine) as tx,
    ):
        tx.execute(text("INSERT INTO companies VALUES ('failover-terminated')"))

    assert outage_reason(lost.value) is OutageReason.DATABASE_UNAVAILABLE


@pytest.mark.slow
@pytest.mark.parametrize("events", REPEATED_EVENTS.values(), ids=REPEATED_EVENTS)
def test_import_of_an_event_that_billing_has_waits_for_the_standby(primary, replicated_engine, events):
    """A re-import changes nothing, but must still write or lock.

    A read-only transaction does not wait for the standby, and would confirm an import that a failover loses.
    """
    with primary.standby_gone(), pytest.raises(UnknownCommitError), transaction(replicated_engine) as tx:
        importing.import_events(tx, stream_entries(events), run_context())


@pytest.mark.slow
def test_dead_letter_that_is_stored_already_waits_for_the_standby(primary, replicated_engine):
    entries = stream_entries([b"{}"])
    with primary.standby_gone(), pytest.raises(UnknownCommitError), transaction(replicated_engine) as tx:
        retrying.dead_letter(tx, entries, run_context())


@pytest.mark.parametrize(
    ("function", "is_unreplicated"), [("SyncRepWaitForLSN", True), ("WarnNoTransactionBlock", False), (None, False)]
)
def test_notice_of_an_unreplicated_commit_is_recognized_by_its_source_function(function, is_unreplicated):
    assert is_unreplicated_commit(SimpleNamespace(source_function=function)) is is_unreplicated


@pytest.mark.parametrize("state", ["08006", "25006", "57P01", "57P02", "57P03", "57P04", "57P05"])
def test_connections_to_a_server_that_went_away_are_replaced(database, state):
    engine = connect(database.url.render_as_string(hide_password=False), application_name="tests")
    raising = text(f"DO $$ BEGIN RAISE EXCEPTION 'made' USING ERRCODE = '{state}'; END $$")
    with transaction(engine) as tx, transaction(engine) as other:
        before = {_pid(tx), _pid(other)}

    with pytest.raises(DBAPIError, match="made") as error, transaction(engine) as tx:
        tx.execute(raising)
    with transaction(engine) as tx, transaction(engine) as other:
        after = {_pid(tx), _pid(other)}
    engine.dispose()

    assert is_transient(error.value)
    assert not before & after


@pytest.mark.parametrize("state", ["23505", "40001", "53100", "55P03", "57014"])
def test_connection_is_kept_after_an_error_of_a_statement(database, state):
    engine = connect(database.url.render_as_string(hide_password=False), application_name="tests", pool_size=1)
    with transaction(engine) as tx:
        before = _pid(tx)

    with pytest.raises(DBAPIError), transaction(engine) as tx:
        tx.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'made' USING ERRCODE = '{state}'; END $$"))
    with transaction(engine) as tx:
        after = _pid(tx)
    engine.dispose()

    assert after == before


def _pid(tx):
    return tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
