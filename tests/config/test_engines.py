"""The URLs of PostgreSQL and Redis come from the settings. URLs that are not set come from the running stack's file."""

import json
import os
import stat
import subprocess
import sys

import pytest

from config.engines import Engines, NotRunningError, StackFile, current_engines, write_running_stack
from config.settings import read_settings

EMBEDDED_ENGINES = Engines.from_urls(
    "postgresql+psycopg://postgres@/payments?host=/tmp/s", "redis://:p@127.0.0.1:7000/0"
)
URL_SETTINGS = {"DATABASE_URL": "postgresql://u:p@h/d", "REDIS_URL": "redis://h:6379/2"}


def settings_in(home, **environ):
    return read_settings({"PAYMENTS_HOME": str(home), **environ})


def write_stack_file(home, pid):
    write_running_stack(
        home, StackFile(pid, EMBEDDED_ENGINES, "http://127.0.0.1:5555", "http://127.0.0.1:8000", "logs")
    )


def pid_of_an_ended_process():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_urls_take_precedence_over_a_running_stack(tmp_path):
    write_stack_file(tmp_path, os.getpid())

    assert current_engines(settings_in(tmp_path, **URL_SETTINGS)) == Engines(
        "postgresql+psycopg://u:p@h/d", "redis://h:6379/2", "redis://h:6379/3"
    )


def test_engine_without_a_url_is_that_of_the_running_stack(tmp_path):
    write_stack_file(tmp_path, os.getpid())

    assert current_engines(settings_in(tmp_path)) == EMBEDDED_ENGINES
    assert current_engines(settings_in(tmp_path, REDIS_URL="redis://h/4")) == Engines(
        EMBEDDED_ENGINES.database_url, "redis://h/4", "redis://h/5"
    )


@pytest.mark.parametrize("leftover", ["nothing", "an incomplete file", "an ended supervisor"])
def test_missing_stack_is_an_error_with_the_next_step(tmp_path, leftover):
    if leftover == "an incomplete file":
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "stack.json").write_text('{"supervisor_pid": 1')
    if leftover == "an ended supervisor":
        write_stack_file(tmp_path, pid_of_an_ended_process())

    with pytest.raises(NotRunningError, match="start it with `payments up`, or set DATABASE_URL and REDIS_URL"):
        current_engines(settings_in(tmp_path))


def test_stack_file_is_readable_by_its_owner_only(tmp_path):
    write_stack_file(tmp_path, os.getpid())
    path = tmp_path / "run" / "stack.json"

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["flower_url"] == "http://127.0.0.1:5555"
