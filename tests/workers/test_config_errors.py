"""A misconfigured process exits with one line and with the status that prevents a restart."""

import pytest

from workers.runtime.config_errors import EXIT_MISCONFIGURED

PROCESSES = ("intake", "importer", "backoffice", "scheduler", "flower", "migrate")


@pytest.mark.parametrize("name", [*(f"workers.{each}" for each in PROCESSES), "console.web.serve"])
def test_invalid_setting_is_named_in_the_error(name, run_module):
    ended = run_module(name, PAYMENTS_CHUNK_EVENTS="many")

    assert (ended.status, ended.out) == (EXIT_MISCONFIGURED, "")
    (line,) = ended.err.splitlines()
    assert line.endswith("PAYMENTS_CHUNK_EVENTS: expected a whole number, not 'many'")


@pytest.mark.parametrize("name", ["intake", "importer", "backoffice", "scheduler"])
def test_missing_stack_is_reported(name, run_module, tmp_path):
    ended = run_module(f"workers.{name}")

    assert ended.status == EXIT_MISCONFIGURED
    assert ended.err == (
        f"{name}: nothing is running in {tmp_path}; start it with `payments up`, or set DATABASE_URL and REDIS_URL\n"
    )


@pytest.mark.parametrize("name", ["workers.importer", "devstack.stack"])
def test_invalid_file_of_keys_stops_a_process_that_checks_signatures(name, run_module, tmp_path):
    ended = run_module(name, PAYMENTS_SIGNING_KEYS=str(tmp_path / "gone"))

    assert ended.status != 0
    assert "PAYMENTS_SIGNING_KEYS: " in ended.err.splitlines()[-1]
