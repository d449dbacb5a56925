"""Depending on settings, `payments emr publish` waits for replicas or the disk, and stops at a backlog limit."""

from pathlib import Path

import pytest
import redis

from tests.console.cli.test_write_commands import STREAM, published_bodies
from tests.console.conftest import Terminal


@pytest.fixture
def file(tmp_path: Path) -> str:
    """The path of a file with one event."""
    (tmp_path / "events.jsonl").write_bytes(b'{"a": 1}')
    return str(tmp_path / "events.jsonl")


def test_publish_stops_at_the_limit_of_unprocessed_events(
    terminal: Terminal, feed: redis.Redis, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYMENTS_PUBLISH_UNPROCESSED_MAX", "1")

    assert terminal.run("emr", "publish", file).status == 0
    result = terminal.run("emr", "publish", file)

    assert (result.status, result.out) == (1, "")
    assert f"the stream {STREAM} has 1 unprocessed events, and the limit is 1" in result.err
    assert published_bodies(feed) == [b'{"a": 1}']


@pytest.mark.slow
def test_publish_with_replicas_fails_without_a_replica(
    terminal: Terminal, feed: redis.Redis, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server of this test has no replica. tests/emr/test_durability.py uses a server with a replica."""
    monkeypatch.setenv("PAYMENTS_PUBLISH_REPLICAS", "1")

    result = terminal.run("emr", "publish", file)

    assert result.status == 1
    assert "0 of 1 replicas stored them within 3 s" in result.err
    assert published_bodies(feed) == []


def test_publish_to_disk_is_refused_without_an_append_only_file(
    terminal: Terminal, feed: redis.Redis, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server of this test has no append-only file, except if REDIS_URL names another server."""
    if feed.config_get("appendonly")["appendonly"] == "yes":
        pytest.skip("the server writes an append-only file")
    monkeypatch.setenv("PAYMENTS_PUBLISH_ON_DISK", "true")

    result = terminal.run("emr", "publish", file)

    assert result.status == 1
    assert "WAITAOF" in result.err
    assert published_bodies(feed) == []
