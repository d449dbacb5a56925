"""Hooks that pytest calls during a test run. `tests/engines.py` defines the fixtures that all tests share."""

import gc
import importlib
import shutil
import tempfile
from pathlib import Path

import pytest

TEMPORARY_FOLDER = pytest.StashKey[Path]()

# Imported modules are never freed, so the garbage collector need not examine them.
gc.disable()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Keep the temporary files of this run in a separate folder, and load the fixtures in processes that run tests.

    All runs of a user share pytest's default folder, and each start of pytest makes this folder private. PostgreSQL
    runs under another user, and would lose access to the data folders of concurrent runs.
    """
    if config.option.basetemp is None:
        config.stash[TEMPORARY_FOLDER] = config.option.basetemp = Path(tempfile.mkdtemp(prefix="payments-tests-"))
    # The process that distributes tests to others runs none. It starts the others sooner without all these imports.
    if not getattr(config.option, "numprocesses", None):
        config.pluginmanager.register(importlib.import_module("tests.engines"), "tests.engines")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remove the temporary files, unless a test failed."""
    folder = session.config.stash.get(TEMPORARY_FOLDER, None)
    if folder is not None and exitstatus != pytest.ExitCode.TESTS_FAILED:
        shutil.rmtree(folder, ignore_errors=True)


def pytest_collection_finish() -> None:
    """Exempt the objects created so far from garbage collection, and raise the thresholds for later collections."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    gc.enable()
