"""A process that cannot start says so in one line, and ends with the status that nobody tries again after."""

import os
import runpy
from importlib.util import find_spec
from typing import NamedTuple

import pytest

from workers.runtime.config_errors import EXIT_MISCONFIGURED

PROCESSES = ("intake", "importer", "backoffice", "scheduler", "flower", "migrate")


class Ended(NamedTuple):
    """The status with which a process ended, and what it wrote."""

    status: int
    out: str
    err: str


@pytest.fixture
def started(tmp_path, monkeypatch, capfd):
    """Run a module as `python -m` does, in this process, where nothing but what is said is set."""
    for name in os.environ:
        if name.startswith("PAYMENTS_") or name in {"DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("PAYMENTS_HOME", str(tmp_path))

    def start(module, **settings):
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as end:
            runpy.run_path(find_spec(module).origin, run_name="__main__")
        # A text is printed where the process ends, which is then a failure.
        said = end.value.code if isinstance(end.value.code, str) else ""
        return Ended(1 if said else end.value.code, *capfd.readouterr()._replace(**({"err": said} if said else {})))

    return start


@pytest.mark.parametrize("name", [*(f"workers.{each}" for each in PROCESSES), "console.web.serve"])
def test_a_wrong_setting_is_named(name, started):
    done = started(name, PAYMENTS_CHUNK_EVENTS="many")

    assert (done.status, done.out) == (EXIT_MISCONFIGURED, "")
    (line,) = done.err.splitlines()
    assert line.endswith("PAYMENTS_CHUNK_EVENTS: expected a whole number, not 'many'")


@pytest.mark.parametrize("name", ["intake", "importer", "backoffice", "scheduler"])
def test_where_nothing_runs_that_is_said(name, started, tmp_path):
    done = started(f"workers.{name}")

    assert done.status == EXIT_MISCONFIGURED
    assert done.err == (
        f"{name}: nothing is running in {tmp_path}; start it with `payments up`, or set DATABASE_URL and REDIS_URL\n"
    )


@pytest.mark.parametrize("name", ["workers.importer", "devstack.stack"])
def test_a_wrong_file_of_keys_stops_what_would_check_signatures(name, started, tmp_path):
    done = started(name, PAYMENTS_SIGNING_KEYS=str(tmp_path / "gone"))

    assert done.status != 0
    assert "PAYMENTS_SIGNING_KEYS: " in done.err.splitlines()[-1]
