"""A process that cannot start says so in one line, and ends with the status that nobody tries again after."""

import os
import subprocess
import sys

import pytest

from workers.supervisor import EXIT_MISCONFIGURED

PROCESSES = ("intake", "importer", "backoffice", "scheduler", "flower", "migrate")


def started(module, tmp_path, **settings):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PAYMENTS_")}
    for name in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"):
        environment.pop(name, None)
    return subprocess.run(
        [sys.executable, "-m", module],
        check=False,
        env=environment | {"PAYMENTS_HOME": str(tmp_path)} | settings,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", [*(f"workers.{each}" for each in PROCESSES), "console.serve"])
def test_a_wrong_setting_is_named(name, tmp_path):
    done = started(name, tmp_path, PAYMENTS_CHUNK_EVENTS="many")

    assert (done.returncode, done.stdout) == (EXIT_MISCONFIGURED, "")
    (line,) = done.stderr.splitlines()
    assert line.endswith("PAYMENTS_CHUNK_EVENTS: expected a whole number, not 'many'")


@pytest.mark.parametrize("name", ["intake", "importer", "backoffice", "scheduler"])
def test_where_nothing_runs_that_is_said(name, tmp_path):
    done = started(f"workers.{name}", tmp_path)

    assert done.returncode == EXIT_MISCONFIGURED
    assert done.stderr == (
        f"{name}: nothing is running in {tmp_path}; start it with `payments up`, or set DATABASE_URL and REDIS_URL\n"
    )


@pytest.mark.parametrize("name", ["workers.importer", "workers.stack"])
def test_a_wrong_file_of_keys_stops_what_would_check_signatures(name, tmp_path):
    done = started(name, tmp_path, PAYMENTS_SIGNING_KEYS=str(tmp_path / "gone"))

    assert done.returncode != 0
    assert "PAYMENTS_SIGNING_KEYS: " in done.stderr.splitlines()[-1]
