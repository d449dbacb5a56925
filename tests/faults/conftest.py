"""Fault tests share one stack, except tests that destroy it. Later tests also check the effects of earlier faults."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.running_stack import RunningStack
from tests.faults.trial import Trial

IS_LONG_RUN = bool(os.environ.get("FAULTS_LONG"))
# Run the long tests too, but repeat each fault as rarely as in the short run, and keep no results.
IS_RUN_OF_EACH_TEST = bool(os.environ.get("FAULTS_EACH"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add the marker `faults` to the tests of this folder. Without FAULTS_LONG or FAULTS_EACH, skip the long tests."""
    for item in items:
        if not item.path.is_relative_to(Path(__file__).parent):
            continue
        item.add_marker(pytest.mark.faults)
        if sys.platform != "linux":
            item.add_marker(pytest.mark.skip(reason="looks at processes through /proc, which only Linux has"))
        elif item.get_closest_marker("long") and not (IS_LONG_RUN or IS_RUN_OF_EACH_TEST):
            item.add_marker(pytest.mark.skip(reason="takes minutes: `make test-faults` runs it"))


@pytest.fixture(scope="session")
def is_long_run() -> bool:
    """Return whether this is the long run (FAULTS_LONG). Only the long run keeps its results."""
    return IS_LONG_RUN


@pytest.fixture(scope="session")
def trial(tmp_path_factory: pytest.TempPathFactory, is_long_run: bool) -> Iterator[Trial]:
    """A trial on a running stack with closed months. Stops the stack after the last test.

    If a process of the stack does not end within DOWN_SECONDS after SIGTERM, the teardown fails.
    """
    stack = RunningStack(tmp_path_factory.mktemp("stack"))
    try:
        stack.start()
        trial = Trial(stack, keeps_results=is_long_run)
        trial.prepare()
        yield trial
    finally:
        stack.stop()
