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

from config.redis_urls import with_redis_database
from tests.acceptance.events import ALL_TYPES, Event, patient, payment
from tests.acceptance.next_version import ARGUMENT, NEWER_IMPORTER, NextVersion
from tests.acceptance.stack import JsonRow, Stack
from tests.engines import empty_redis

# Databases on the server of REDIS_URL, if it is set. No other test uses them, and both are emptied.
FEED, BROKER = 8, 15
CLINIC, EVENTS_A_WAVE = "upgraded", 60
ALL_COMBINATIONS = {(newer_worker, newer_message) for newer_worker in (True, False) for newer_message in (True, False)}


@pytest.fixture
def old_stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack of the current version. Its chunks are small, so that workers of both versions get messages."""
    server, settings = os.environ.get("REDIS_URL"), {"PAYMENTS_CHUNK_EVENTS": "10"}
    urls = [with_redis_database(server, number) for number in (FEED, BROKER)] if server else []
    if urls:
        settings["CELERY_BROKER_URL"] = urls[1]
    stack = Stack(tmp_path / "home", FEED, **settings)
    try:
        for url in urls:
            empty_redis(url)
        stack.start()
        yield stack
    finally:
        stack.kill_remaining()
        for url in urls:
            empty_redis(url)


@pytest.fixture
def next_version(old_stack: Stack, tmp_path: Path) -> Iterator[NextVersion]:
    version = NextVersion(tmp_path / "newer", old_stack)
    version.write()
    try:
        yield version
    finally:
        version.kill_remaining()


def test_old_and_new_versions_work_side_by_side_after_a_migration(old_stack: Stack, next_version: NextVersion) -> None:
    old_stack.set_clinic(CLINIC, ALL_TYPES)
    first = wave_of_payments(0)
    old_stack.publish(patient(f"{CLINIC}-ada"), *first)
    old_stack.wait_until_idle()

    next_version.migrate()
    second = corrected_payments(first)
    old_stack.publish(*second)
    old_stack.wait_until_idle()
    assert old_stack.run("health").returncode == 0

    next_version.start("workers.importer", "workers.intake")
    waves = publish_until_all_combinations(old_stack, second)
    assert next_version.stop() == [0, 0]

    # Roll back to the older version without reverting the migration.
    migrate_again(old_stack)
    last = wave_of_payments(waves)
    old_stack.publish(*last, *first, *second)
    old_stack.wait_until_idle()
    feed, entries = old_stack.claims_feed(CLINIC), old_stack.payment_log(CLINIC)
    assert {row["status"] for row in feed.values()} == {"Transmission Successful"}
    assert len(feed) == (waves + 1) * EVENTS_A_WAVE
    # Each payment is posted once, and each correction of the first wave too.
    assert len(entries) == len(feed) + EVENTS_A_WAVE
    assert old_stack.report("balancing", "--clinic", CLINIC)["unexplained"] == "0.00"
    said = old_stack.log.read_text()
    assert [word for word in ("chunk_split", "entry_failed", "task_failed") if word in said] == []


def migrate_again(stack: Stack) -> None:
    """Run the migration of the current version, as every start of the stack does."""
    done = subprocess.run([sys.executable, "-m", "workers.migrate"], check=False, env=stack.environment)
    assert done.returncode == 0


def wave_of_payments(number: int) -> list[Event]:
    """Return the payments of one wave. Each payment has a field that only the next version knows."""
    return [payment(CLINIC, f"{number}-{each}", tip="2.00") for each in range(EVENTS_A_WAVE)]


def corrected_payments(events: list[Event]) -> list[Event]:
    return [payment(CLINIC, str(event["payment_id"]), "30.00", version=2, tip="3.00") for event in events]


def publish_until_all_combinations(stack: Stack, known: list[Event]) -> int:
    """Publish waves until workers of each version have taken messages of both versions. Return the number of waves.

    Each wave repeats earlier events. A repeated event changes nothing, even if the other version imports it.
    """
    deadline, waves = time.monotonic() + 60, 1
    while worker_and_message_versions(stack) != ALL_COMBINATIONS:
        assert time.monotonic() < deadline, f"only {worker_and_message_versions(stack)} after {waves} waves"
        stack.publish(*wave_of_payments(waves), *known)
        waves += 1
        stack.wait_until_idle()
    return waves


def worker_and_message_versions(stack: Stack) -> set[tuple[bool, bool]]:
    """Return the pairs (worker is newer, message has the newer argument) of all import messages in Flower."""
    with urllib.request.urlopen(f"http://127.0.0.1:{stack.flower_port}/api/tasks") as answer:
        tasks: list[JsonRow] = list(json.load(answer).values())
    return {
        (task["worker"].startswith(NEWER_IMPORTER), ARGUMENT in task["kwargs"])
        for task in tasks
        # A message that no worker has taken yet has no worker.
        if task["name"] == "payments.import_events" and task.get("worker") and task["kwargs"]
    }
