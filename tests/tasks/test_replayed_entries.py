"""A replay imports the acknowledged, verified entries of the given time. It skips companies that have moved away."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from emr.client import SigningKey
from payments.contract.signature import Keyring
from payments.store.db.connection import transaction
from tasks.feed.replay import UnverifiedEntriesError
from tests.builders.digests import table_digests
from tests.builders.events import event_body, saved_patient, saved_payment
from tests.tasks.replaying import import_all, publish, run_replay, with_standby_ledger

pytestmark = pytest.mark.slow

SECRET = b"s" * 32


def test_replay_leaves_pending_and_new_entries_to_the_importer(keeping_importer, clinic_id):
    publish(keeping_importer, [event_body(saved_patient(clinic_id))])
    import_all(keeping_importer)
    publish(keeping_importer, [event_body(saved_payment(payment_id="pending", patient_id=clinic_id))])
    keeping_importer.streams.read_new(keeping_importer.streams.names, 1_000, "no-reply")
    publish(keeping_importer, [event_body(saved_payment(payment_id="new", patient_id=clinic_id))])

    stats = run_replay(keeping_importer)

    assert (stats.read, stats.pending, stats.changed) == (1, 1, 0)
    assert keeping_importer.streams.waiting_count() == 2


def test_replay_reads_only_entries_of_the_given_time(keeping_importer):
    name, now_ms = keeping_importer.settings.stream, keeping_importer.streams.server_time_ms()
    times = [now_ms - minutes * 60_000 for minutes in (30, 20, 10)]
    for number, each in enumerate(times):
        keeping_importer.feed.xadd(name, {"event": event_body(saved_patient(f"p-{number}"))}, id=f"{each}-0")
    import_all(keeping_importer)
    at = [datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=each) for each in times]

    ranges = [(at[0], None), (at[1], None), (at[1], at[2]), (at[0] + timedelta(milliseconds=1), at[1])]
    assert [run_replay(keeping_importer, *each).read for each in ranges] == [3, 2, 1, 0]
    stats = run_replay(keeping_importer, at[1])
    assert (stats.oldest, stats.newest) == (f"{times[1]}-0", f"{times[2]}-0")


def test_entry_that_fails_alone_stops_no_other(resources, clinic_id, log_entries):
    keeping = replace(resources, settings=resources.settings.model_copy(update={"keep_entries": timedelta(days=1)}))
    for name in ("good", "poison"):
        body = event_body(saved_payment(clinic_id=clinic_id, patient_id=clinic_id, payment_id=name))
        resources.feed.xadd(resources.settings.stream, {"event": body})
    ids = [entry.entry_id for entry in keeping.streams.read_new([resources.settings.stream], 10, "no-reply")]
    keeping.streams.acknowledge(ids)

    stats = run_replay(keeping)

    assert (stats.read, stats.changed, stats.failed) == (2, 1, [ids[1]])
    (logged,) = [each for each in log_entries if each["event"] == "replayed_entry_failed"]
    assert "cannot be stored" in logged["error"]


def test_signed_entries_are_not_replayed_without_keys(keeping_importer, clinic_id):
    with_keys = replace(keeping_importer, keyring=Keyring({"company": {"2026-10": SECRET}}))
    events = [event_body(saved_patient(clinic_id)), event_body(saved_payment(clinic_id="s", patient_id=clinic_id))]
    publish(with_keys, events)
    publish(with_keys, events, sign=SigningKey("2026-10", SECRET).sign)
    import_all(with_keys)
    before = table_digests(keeping_importer.database)

    with pytest.raises(UnverifiedEntriesError):
        run_replay(keeping_importer)
    stats = run_replay(with_keys)

    assert (stats.read, stats.changed) == (4, 0)
    assert table_digests(keeping_importer.database) == before


def test_rejected_copy_without_signature_hides_no_signed_event(keeping_importer, clinic_id):
    with_keys = replace(keeping_importer, keyring=Keyring({"company": {"2026-10": SECRET}}))
    event = event_body(saved_patient(clinic_id))
    publish(with_keys, [event])
    import_all(with_keys)
    with with_standby_ledger(with_keys) as standby:
        publish(with_keys, [event], sign=SigningKey("2026-10", SECRET).sign)
        import_all(with_keys)

        assert run_replay(standby).changed == 1


def test_events_of_a_company_that_has_moved_are_skipped(keeping_importer, clinic_id):
    publish(keeping_importer, [event_body(saved_payment(clinic_id=clinic_id, patient_id="p"))])
    import_all(keeping_importer)
    with transaction(keeping_importer.database) as tx:
        tx.execute(text("UPDATE companies SET move_state = 'left' WHERE company_id = 'company'"))
    before = table_digests(keeping_importer.database)

    assert run_replay(keeping_importer).changed == 0
    assert table_digests(keeping_importer.database) == before
