"""What was taken and not acknowledged: when the intake sends it again, alone or together, and when it gives it up."""

import time

from tasks.feed import stream
from tests.tasks.feeding import LEASE_MS, age, opened, publish, sent, take_new
from workers.intake import ISOLATE_AFTER_DELIVERIES


def test_what_an_importer_took_and_lost_is_sent_again_after_its_lease(intake):
    ids = publish(intake, 6)
    for _ in range(2):
        intake.turn()
        sent(intake, taking=True)

    age(intake, ids, 1, LEASE_MS - 1_000)
    intake.send_again(stream.idle(intake.feed, intake.settings.stream, LEASE_MS))
    assert sent(intake) == []

    age(intake, ids, 1)
    intake.sweep()
    assert sent(intake) == [("payments.import_events", ids[:4]), ("payments.import_events", ids[4:])]


def test_an_entry_that_keeps_failing_travels_alone(intake):
    ids = publish(intake, 3)
    take_new(intake)
    age(intake, ids[:1], ISOLATE_AFTER_DELIVERIES - 1)
    age(intake, ids[1:], ISOLATE_AFTER_DELIVERIES)

    intake.send_again(stream.idle(intake.feed, intake.settings.stream, LEASE_MS))

    assert sent(intake) == [("payments.import_events", [each]) for each in ids]


def test_an_entry_that_has_used_up_its_ladder_is_given_up(intake):
    ids = publish(intake, 3)
    take_new(intake)
    age(intake, ids[:1], 3)
    age(intake, ids[1:], 4)

    intake.send_again(stream.idle(intake.feed, intake.settings.stream, LEASE_MS))

    assert sent(intake) == [("payments.import_events", ids[:1]), ("payments.give_up", ids[1:])]


def test_a_failed_entry_waits_longer_than_its_lease(engines, stream_name):
    with opened(engines, stream_name, PAYMENTS_RETRY_LADDER="10h,10h,10h") as intake:
        ids = publish(intake, 4)
        take_new(intake)
        age(intake, ids, 1)
        intake.send_again(stream.idle(intake.feed, intake.settings.stream, LEASE_MS))
        assert sent(intake) == []

        age(intake, ids, 1, LEASE_MS + 36_000_000)
        intake.send_again(stream.idle(intake.feed, intake.settings.stream, LEASE_MS))
        assert sent(intake) == [("payments.import_events", ids)]


def test_when_the_clock_of_redis_is_set_back_what_is_handed_out_lies_idle_from_then_on(intake):
    ids = publish(intake, 3)
    take_new(intake)
    age(intake, ids, 1, LEASE_MS - 1_000)
    intake.sweep()
    assert sent(intake) == []

    # As if the server's clock had shown an hour more at the last look.
    intake.clock.was_set_back(intake.streams.clock_ms() + 3_600_000, time.monotonic_ns() // 1_000_000)
    intake.sweep()

    idle = intake.streams.idle(0)
    assert [(entry.entry_id, entry.deliveries) for entry in idle] == [(each, 1) for each in ids]
    assert max(entry.idle_ms for entry in idle) < 1_000


def test_of_two_intakes_one_sends_an_idle_entry_again(intake, engines, stream_name):
    ids = publish(intake, 2)
    take_new(intake)
    age(intake, ids, 1)
    found = stream.idle(intake.feed, intake.settings.stream, LEASE_MS)

    intake.send_again(found)
    with opened(engines, stream_name) as other:
        other.send_again(found)

    assert sent(intake) == [("payments.import_events", ids)]


def test_what_waits_for_its_next_try_keeps_no_new_payment_out(intake):
    failing = publish(intake, 10)
    for _ in range(3):
        take_new(intake)
    age(intake, failing, 2, LEASE_MS + 1_000)
    intake.sweep()
    sent(intake)

    publish(intake, 1)
    intake.turn()

    assert sent(intake)[-1:] == ["what is new"]
