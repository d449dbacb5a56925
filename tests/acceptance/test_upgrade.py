"""Two versions work side by side on the same queues and tables without loss."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.urls import with_redis_database
from tests.acceptance.events import ALL_TYPES, Event, patient, payment
from tests.acceptance.next_version import ARGUMENT, NEWER, NextVersion
from tests.acceptance.stack import Row, Stack
from tests.engines import flush

# On the server of REDIS_URL, where there is one: no other test uses these two, and both are emptied.
FEED, BROKER = 8, 15
CLINIC, EVENTS_A_WAVE = "upgraded", 60
BOTH_TOOK_BOTH = {(newer_worker, newer_message) for newer_worker in (True, False) for newer_message in (True, False)}


@pytest.fixture
def older(tmp_path: Path) -> Iterator[Stack]:
    """The stack of this version. Its chunks are small, so that there is something for everyone."""
    server, settings = os.environ.get("REDIS_URL"), {"PAYMENTS_CHUNK_EVENTS": "10"}
    urls = [with_redis_database(server, number) for number in (FEED, BROKER)] if server else []
    if urls:
        settings["CELERY_BROKER_URL"] = urls[1]
    stack = Stack(tmp_path / "home", FEED, **settings)
    try:
        for url in urls:
            flush(url)
        stack.start()
        yield stack
    finally:
        stack.kill_what_is_left()
        for url in urls:
            flush(url)


@pytest.fixture
def newer(older: Stack, tmp_path: Path) -> Iterator[NextVersion]:
    version = NextVersion(tmp_path / "newer", older)
    version.write()
    try:
        yield version
    finally:
        version.kill_what_is_left()


def test_old_and_new_versions_work_side_by_side_after_a_migration(older: Stack, newer: NextVersion) -> None:
    older.set_clinic(CLINIC, ALL_TYPES)
    first = wave(0)
    older.publish(patient(f"{CLINIC}-ada"), *first)
    older.settle()

    newer.migrate()
    second = corrected(first)
    older.publish(*second)
    older.settle()
    assert older.run("health").returncode == 0

    newer.start("workers.importer", "workers.intake")
    waves = until_both_took_both(older, second)
    assert newer.stop() == [0, 0]

    # Back to the older version: the tables may stay as they are.
    migrate_again(older)
    last = wave(waves)
    older.publish(*last, *first, *second)
    older.settle()
    feed, entries = older.feed(CLINIC), older.ledger(CLINIC)
    assert {row["status"] for row in feed.values()} == {"Transmission Successful"}
    assert len(feed) == (waves + 1) * EVENTS_A_WAVE
    # Each payment once, and each correction of the first wave.
    assert len(entries) == len(feed) + EVENTS_A_WAVE
    assert older.report("balancing", "--clinic", CLINIC)["unexplained"] == "0.00"
    said = older.log.read_text()
    assert [word for word in ("chunk_split", "entry_failed", "task_failed") if word in said] == []


def migrate_again(stack: Stack) -> None:
    """Migrate with this version, which every way of starting it does first."""
    done = subprocess.run([sys.executable, "-m", "workers.migrate"], check=False, env=stack.environment)
    assert done.returncode == 0


def wave(number: int) -> list[Event]:
    """Return saves of an EMR that sends a field which only the newer version knows."""
    return [payment(CLINIC, f"{number}-{each}", tip="2.00") for each in range(EVENTS_A_WAVE)]


def corrected(events: list[Event]) -> list[Event]:
    return [payment(CLINIC, str(event["payment_id"]), "30.00", version=2, tip="3.00") for event in events]


def until_both_took_both(stack: Stack, known: list[Event]) -> int:
    """Publish until each version was seen to take messages of its own kind and of the other; return the waves.

    What is known already is published again with each: a repeat changes nothing, whoever imported it and takes it now.
    """
    deadline, waves = time.monotonic() + 60, 1
    while takers(stack) != BOTH_TOOK_BOTH:
        assert time.monotonic() < deadline, f"only {takers(stack)} after {waves} waves"
        stack.publish(*wave(waves), *known)
        waves += 1
        stack.settle()
    return waves


def takers(stack: Stack) -> set[tuple[bool, bool]]:
    """Return of each import whether a newer worker took it, and whether its message has the newer argument."""
    with urllib.request.urlopen(f"http://127.0.0.1:{stack.flower_port}/api/tasks") as answer:
        tasks: list[Row] = list(json.load(answer).values())
    return {
        (task["worker"].startswith(NEWER), ARGUMENT in task["kwargs"])
        for task in tasks
        # One that was sent and that nobody took yet has no worker at all.
        if task["name"] == "payments.import_events" and task.get("worker") and task["kwargs"]
    }
