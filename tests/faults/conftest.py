"""One plant for all faults that leave it whole; every later trial looks at what the earlier ones left, too."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.plant import Plant
from tests.faults.scene import Scene

IS_LONG = bool(os.environ.get("FAULTS_LONG"))
# Every case, each with as few repeats as in the short run; what comes of it is not kept.
IS_EACH = bool(os.environ.get("FAULTS_EACH"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder; without FAULTS_LONG or FAULTS_EACH those that take minutes are left out."""
    for item in items:
        if not item.path.is_relative_to(Path(__file__).parent):
            continue
        item.add_marker(pytest.mark.faults)
        if sys.platform != "linux":
            item.add_marker(pytest.mark.skip(reason="looks at processes through /proc, which only Linux has"))
        elif item.get_closest_marker("long") and not (IS_LONG or IS_EACH):
            item.add_marker(pytest.mark.skip(reason="takes minutes: `make test-faults` runs it"))


@pytest.fixture(scope="session")
def is_long() -> bool:
    """Whether this is the long run, whose results are kept."""
    return IS_LONG


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory, is_long: bool) -> Iterator[Scene]:
    """A plant at work with closed months, which has to come to its end cleanly."""
    plant = Plant(tmp_path_factory.mktemp("plant"))
    try:
        plant.start()
        scene = Scene(plant, keeps_results=is_long)
        scene.open()
        yield scene
    finally:
        plant.stop()
