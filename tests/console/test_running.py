"""Waiting for quiet, looking after the parts, and the demonstration that leaves nothing behind."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from payments.journeys import detecting, importing
from payments.store.session import Database, transaction
from tests.console.conftest import NOWHERE, Terminal
from tests.make import run


@pytest.fixture
def _all_done(ledger_database: Database) -> None:
    """What other tests left for the workers has been taken up."""
    now = datetime.now(UTC)
    with transaction(ledger_database) as tx:
        importing.retry_due(tx, run(now), 500)
        importing.retry_set_aside(tx, run(now), 500)
        while detecting.detect(tx, now, "tests-1", 500).examined:
            pass


@pytest.mark.usefixtures("_all_done")
def test_waiting_ends_at_once_where_all_is_quiet(terminal: Terminal) -> None:
    answer = terminal.types(*"wait --timeout 0".split())

    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith("Nothing is queued or due")


@pytest.mark.usefixtures("_all_done")
def test_waiting_ends_with_1_and_says_what_is_left(terminal: Terminal, feed: redis.Redis) -> None:
    feed.xadd("emr:payments", {"event": "{}"})

    answer = terminal.types(*"wait --timeout 0.3".split())

    assert (answer.status, answer.out) == (1, "")
    assert answer.err.startswith("payments: not finished after 0.3 s: 1 on the feed")


def test_health_says_which_part_is_down(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", NOWHERE)

    answer = terminal.types(*"health --format json".split())

    assert (answer.status, answer.err) == (1, "")
    parts = {part["name"]: part["is_up"] for part in json.loads(answer.out)}
    assert (parts["PostgreSQL"], parts["Redis"]) == (True, False)
    assert "down" in terminal.types("health").out


@pytest.mark.acceptance
def test_the_demonstration_runs_on_engines_of_its_own_and_leaves_nothing_behind(tmp_path: Path) -> None:
    elsewhere = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": NOWHERE, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", "from console.cli import main; main()", "demo"]
    done = subprocess.run(command, check=False, capture_output=True, env=os.environ | elsewhere, text=True, timeout=120)

    assert (done.returncode, done.stderr) == (0, "")
    assert "Claims Feed by status and reason" in done.stdout
    assert "Patient Payment Log by method" in done.stdout
    assert "payments a second" in done.stdout
    assert list(tmp_path.iterdir()) == []
