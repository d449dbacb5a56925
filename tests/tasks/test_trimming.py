"""Kept entries are deleted after their time, or earlier if memory is short. Other entries are never deleted."""

from datetime import timedelta

import pytest

from tasks.feed import dispatcher as dispatcher_module
from tasks.feed import stream
from tasks.feed.clocks import monotonic_ms
from tasks.feed.deleted_entries import trimmed_early_count
from tasks.feed.dispatcher import Dispatcher
from tasks.feed.streams import Streams
from tasks.feed.trimming import PRESSED_MS, Memory, Trimming
from tasks.feed.waiting import read_states
from tests.tasks.dispatching import open_dispatcher

AMPLE_MEMORY = Memory(used=100, limit=1_000)
SHORT_MEMORY = Memory(used=710, limit=1_000)
NEARLY_FULL_MEMORY = Memory(used=860, limit=1_000)
KEEP_TIME = timedelta(minutes=10)


@pytest.fixture(autouse=True)
def small_nodes(feed):
    """Limit the nodes of streams to two entries, because XTRIM deletes whole nodes."""
    before = feed.config_get("stream-node-max-entries")["stream-node-max-entries"]
    feed.config_set("stream-node-max-entries", 2)
    yield
    feed.config_set("stream-node-max-entries", before)


@pytest.fixture
def streams(feed, stream_name):
    return Streams(feed, stream_name, keeps=True)


@pytest.fixture
def publish(streams):
    """Return a function that publishes `count` entries whose ids are `age` old, and returns these ids."""
    sequence = iter(range(1, 1_000_000))

    def publish(count, age=timedelta()):
        first_ms = streams.server_time_ms() - age // timedelta(milliseconds=1)
        ids = [f"{first_ms}-{next(sequence)}" for _ in range(count)]
        for entry_id in ids:
            streams.client.xadd(streams.name, {"event": "{}"}, id=entry_id)
        return ids

    return publish


def read(streams, count):
    return [entry.entry_id for entry in streams.read_new([streams.name], count, "no-reply")]


def ids_on_stream(streams):
    return [entry_id.decode() for entry_id, _ in streams.client.xrange(streams.name)]


def test_entries_are_kept_until_their_time_is_over(streams, publish):
    old, young = publish(6, KEEP_TIME + timedelta(seconds=5)), publish(4, KEEP_TIME - timedelta(minutes=1))
    streams.acknowledge(read(streams, 10))

    assert ids_on_stream(streams) == [*old, *young]
    Trimming(streams, KEEP_TIME).trim(AMPLE_MEMORY)
    assert ids_on_stream(streams) == young


def test_pending_and_undelivered_entries_are_not_deleted(streams, publish):
    ids = publish(12, timedelta(days=1))
    delivered = read(streams, 8)
    streams.acknowledge(delivered[:4])

    for keep in (KEEP_TIME, timedelta()):
        for memory in (AMPLE_MEMORY, SHORT_MEMORY, NEARLY_FULL_MEMORY):
            Trimming(streams, keep).trim(memory)
            assert ids_on_stream(streams) == ids[4:]
    assert [each.entry_id for each in streams.pending_entries(0)] == ids[4:8]


def test_redis_reports_the_lag_after_entries_were_deleted(streams, publish):
    old = publish(8, timedelta(days=1))
    streams.acknowledge([each for each in read(streams, 6) if each != old[1]])

    Trimming(streams, KEEP_TIME).trim(AMPLE_MEMORY)
    publish(3)

    (state,) = read_states(streams.client, [streams.name])
    assert (state.pending, state.lag) == (1, 5)


def test_acknowledged_entries_behind_an_old_pending_one_are_deleted(streams, publish):
    old, young = publish(6, timedelta(days=1)), publish(3)
    streams.acknowledge([each for each in read(streams, 9) if each not in (old[2], old[4])])
    trim = Trimming(streams, KEEP_TIME)

    trim.trim(AMPLE_MEMORY)
    assert ids_on_stream(streams) == [old[2], old[4], *young]

    streams.acknowledge(old[2:5])
    trim.trim(AMPLE_MEMORY)
    assert ids_on_stream(streams) == young


def test_nothing_is_deleted_if_the_group_does_not_exist(streams, publish):
    ids = publish(4, timedelta(days=1))
    streams.acknowledge(read(streams, 4))
    streams.client.xgroup_destroy(streams.name, stream.GROUP)

    Trimming(streams, KEEP_TIME).trim(NEARLY_FULL_MEMORY)

    assert ids_on_stream(streams) == ids


def test_entries_kept_before_are_deleted_if_the_time_becomes_zero(streams, publish):
    publish(5, timedelta(minutes=1))
    streams.acknowledge(read(streams, 5))

    Trimming(streams, timedelta()).trim(AMPLE_MEMORY)

    assert ids_on_stream(streams) == []


@pytest.mark.parametrize("first_ms", [1, 10**16])
def test_entries_with_ids_of_another_clock_are_not_kept(streams, first_ms):
    for number in range(5):
        streams.client.xadd(streams.name, {"event": "{}"}, id=f"{first_ms + number}-0")
    streams.acknowledge(read(streams, 4))

    Trimming(streams, KEEP_TIME).trim(AMPLE_MEMORY)

    assert ids_on_stream(streams) == [f"{first_ms + 4}-0"]


def test_oldest_entries_are_deleted_early_while_the_memory_is_short(streams, publish, log_entries):
    oldest, others = publish(4, timedelta(minutes=9)), publish(4, timedelta(minutes=1))
    streams.acknowledge(read(streams, 8))
    before, trim = trimmed_early_count(streams.client), Trimming(streams, KEEP_TIME)

    assert not trim.trim(AMPLE_MEMORY)
    assert ids_on_stream(streams) == [*oldest, *others]
    assert trim.trim(SHORT_MEMORY)
    assert ids_on_stream(streams) == others
    assert trim.trim(NEARLY_FULL_MEMORY)
    assert ids_on_stream(streams) == []

    assert trimmed_early_count(streams.client) - before == 8
    logged = [each["entries"] for each in log_entries if each["event"] == "kept_entries_trimmed_early"]
    assert logged == [4, 4]


def test_dispatcher_measures_the_memory_of_redis(engines, stream_name, streams, publish):
    oldest, others = publish(4, timedelta(minutes=9)), publish(4, timedelta(minutes=1))
    streams.acknowledge(read(streams, 8))
    feed = streams.client
    before = feed.config_get("maxmemory")["maxmemory"]
    with open_dispatcher(engines, stream_name, PAYMENTS_KEEP_ENTRIES="10m") as dispatcher:
        dispatcher.trimming.trim_if_due()
        assert ids_on_stream(streams) == [*oldest, *others]
        dispatcher.trimming._next_ms = 0
        try:
            feed.config_set("maxmemory", feed.info("memory")["used_memory"] * 100 // 77)
            dispatcher.trimming.trim_if_due()
        finally:
            feed.config_set("maxmemory", before)

    assert ids_on_stream(streams) == others


def test_memory_without_a_limit_is_never_short():
    assert not Memory(10**12, 0).is_short
    assert not Memory(10**12, 0).is_nearly_full


def test_streams_with_a_higher_number_are_trimmed_too(streams, feed):
    higher = f"{streams.name}:7"
    stream.ensure_group(feed, higher)
    entry_id = feed.xadd(higher, {"event": "{}"}, id="1-1").decode()
    stream.read_new(feed, [higher], 1, "no-reply")
    streams.acknowledge([f"7/{entry_id}"])
    assert feed.xlen(higher) == 1

    Trimming(streams, KEEP_TIME).trim(AMPLE_MEMORY)

    assert feed.xlen(higher) == 0
    feed.delete(higher)


@pytest.mark.parametrize(("keep", "left"), [("10m", 1), ("0", 0)])
def test_dispatcher_trims_the_streams(engines, stream_name, monkeypatch, keep, left):
    monkeypatch.setattr(dispatcher_module, "BLOCK_MS", 50)  # no entry arrives
    with open_dispatcher(engines, stream_name, PAYMENTS_KEEP_ENTRIES=keep) as dispatcher:
        kept = Streams(dispatcher.feed, stream_name, keeps=True)
        dispatcher.feed.xadd(stream_name, {"event": "{}"}, id="1-1")
        dispatcher.feed.xadd(stream_name, {"event": "{}"}, id="1-2")
        dispatcher.feed.xadd(stream_name, {"event": "{}"})
        kept.acknowledge(read(kept, 3))

        dispatcher.run_cycle()
        assert dispatcher.feed.xlen(stream_name) == left


def test_dispatcher_trims_again_soon_while_the_memory_is_short(dispatcher: Dispatcher, monkeypatch):
    runs = []
    monkeypatch.setattr(dispatcher.trimming, "_read_memory", lambda: SHORT_MEMORY)
    monkeypatch.setattr(dispatcher.trimming, "trim", lambda memory: runs.append(memory) or memory.is_short)
    now_ms = dispatcher.trimming._next_ms = monotonic_ms()
    monkeypatch.setattr("tasks.feed.trimming.monotonic_ms", lambda: now_ms)

    dispatcher.trimming.trim_if_due()
    dispatcher.trimming.trim_if_due()
    assert runs == [SHORT_MEMORY]
    now_ms += PRESSED_MS
    dispatcher.trimming.trim_if_due()
    assert runs == [SHORT_MEMORY, SHORT_MEMORY]


def test_acknowledged_entries_are_deleted_immediately_by_default(feed, stream_name, resources):
    feed.xadd(stream_name, {"event": "{}"})

    resources.streams.acknowledge(read(resources.streams, 1))

    assert not resources.settings.keep_entries
    assert feed.xlen(stream_name) == 0
