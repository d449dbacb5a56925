"""One stack for all stories that do not end it, each of which uses clinics of its own."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from config.urls import with_redis_database
from tests.acceptance.stack import Stack

# The feeds of these tests on the server of REDIS_URL; each broker is the database after it.
SHARED_DATABASE, OWN_DATABASE = 4, 6


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.acceptance)
            if sys.platform != "linux":
                item.add_marker(pytest.mark.skip(reason="looks at processes through /proc, which only Linux has"))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running stack, which has to end cleanly and leave nothing behind."""
    yield from _started(tmp_path_factory.mktemp("stack"), SHARED_DATABASE)


@pytest.fixture
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running stack that the test may end."""
    yield from _started(tmp_path_factory.mktemp("own"), OWN_DATABASE)


def _started(home: Path, redis_database: int) -> Iterator[Stack]:
    _flush(redis_database)
    stack = Stack(home, redis_database)
    try:
        stack.start()
        yield stack
        assert stack.process.poll() is not None or stack.stop() == 0, stack.log_tail()
        assert stack.processes() == []
    finally:
        stack.kill_what_is_left()
        _flush(redis_database)


def _flush(redis_database: int) -> None:
    if server := os.environ.get("REDIS_URL"):
        for number in (redis_database, redis_database + 1):
            with redis.Redis.from_url(with_redis_database(server, number)) as client:
                client.flushdb()
