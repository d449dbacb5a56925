"""One running stack for all acceptance tests; each test uses separate clinics."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from config.redis_urls import with_redis_database
from tests.acceptance.stack import Stack

# The feed's database on the server of REDIS_URL; the broker uses the next one. Both are emptied.
REDIS_DATABASE = 4


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add the marker of acceptance tests to every test of this folder."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.acceptance)
            if sys.platform != "linux":
                item.add_marker(pytest.mark.skip(reason="inspects processes in /proc, which only Linux has"))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running stack. It must stop cleanly and leave no process behind."""
    _empty_redis()
    # Log everything, because a test checks the log for secrets.
    stack = Stack(tmp_path_factory.mktemp("stack"), REDIS_DATABASE, PAYMENTS_LOG_LEVEL="debug")
    try:
        stack.start()
        yield stack
        assert stack.stop() == 0, stack.log_tail()
        assert stack.processes() == []
    finally:
        stack.kill_remaining()
        _empty_redis()


def _empty_redis() -> None:
    if server := os.environ.get("REDIS_URL"):
        for number in (REDIS_DATABASE, REDIS_DATABASE + 1):
            with redis.Redis.from_url(with_redis_database(server, number)) as client:
                client.flushdb()
