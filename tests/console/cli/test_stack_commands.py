"""`payments wait`, `health` and `demo`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from config.redis_urls import default_broker_url
from console.cli.demo import command_name
from tests.builders.kept_entries import publish_kept_entries
from tests.console.conftest import UNREACHABLE_REDIS_URL, Terminal
from tests.engines import scratch_database
from tests.tasks.dispatching import arguments_of


@pytest.fixture
def idle_terminal(
    terminal: Terminal, postgres_url: str, ledger_template: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Terminal]:
    """A terminal on an empty ledger."""
    with scratch_database(postgres_url, ledger_template) as empty:
        monkeypatch.setenv("DATABASE_URL", empty)
        yield terminal


def test_wait_returns_when_idle_or_names_the_backlog(idle_terminal: Terminal, feed: redis.Redis) -> None:
    quiet = idle_terminal.run(*"wait --timeout 0".split())
    feed.xadd("emr:payments", {"event": "{}"})
    busy = idle_terminal.run(*"wait --timeout 0.3".split())

    assert quiet == (0, "Nothing is queued or due.\n", "")
    assert busy == (1, "", "payments: work remains after 0.3 s: 1 on the feed; `payments health` shows what stops it\n")


def test_wait_does_not_wait_for_kept_entries(idle_terminal: Terminal, feed: redis.Redis) -> None:
    publish_kept_entries(feed, b"{}", b"{}")

    assert idle_terminal.run(*"wait --timeout 0".split()) == (0, "Nothing is queued or due.\n", "")


def test_health_names_the_part_that_is_down(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", UNREACHABLE_REDIS_URL)

    result = terminal.run(*"health --format json".split())

    assert result.status == 1
    parts = {part["name"]: part["is_up"] for part in json.loads(result.out)}
    assert (parts["PostgreSQL"], parts["Redis"]) == (True, False)
    assert "down" in terminal.run("health").out


@pytest.mark.slow
def test_health_timeout_applies_to_workers_not_redis(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    redis_url = os.environ["REDIS_URL"]
    monkeypatch.setenv("REDIS_URL", f"{redis_url}?socket_timeout=1.9")
    monkeypatch.setenv("CELERY_BROKER_URL", default_broker_url(redis_url))

    result = terminal.run(*"health --timeout 2 --format json".split())

    assert result.status == 1
    details = {part["name"]: part["detail"] for part in json.loads(result.out)}
    assert details["importer"] == "no reply from queue imports within 2 s"
    assert details["backoffice"] == "no reply from queue findings within 2 s"


@pytest.mark.slow
def test_health_distinguishes_answering_and_silent_workers(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    feed_url, broker_url = os.environ["REDIS_URL"], default_broker_url(os.environ["REDIS_URL"])
    monkeypatch.setenv("CELERY_BROKER_URL", broker_url)
    with (
        ThreadPoolExecutor() as pool,
        redis.Redis.from_url(broker_url) as broker,
        redis.Redis.from_url(feed_url) as feed,
    ):
        broker.flushdb()
        importer = pool.submit(answer_as, "importer-7", broker, feed)
        result = terminal.run(*"health --timeout 1 --format json".split())
        importer.result()

    details = {part["name"]: (part["is_up"], part["detail"]) for part in json.loads(result.out)}
    assert result.status == 1
    assert details["importer"] == (True, "importer-7 takes messages from imports")
    assert details["backoffice"] == (False, "no reply from queue findings within 1 s")


def answer_as(worker: str, broker: redis.Redis, feed: redis.Redis) -> None:
    """Take one ping message from the importer's queue. Answer it as the worker with the name `worker`."""
    _, message = broker.blpop(["payments:imports"], timeout=10)
    feed.rpush(arguments_of(json.loads(message))["reply_to"], worker)


@pytest.mark.acceptance
@pytest.mark.parametrize(
    "named", [{"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": UNREACHABLE_REDIS_URL}, {}]
)
def test_demo_uses_its_own_engines_and_removes_them(tmp_path: Path, named: dict[str, str]) -> None:
    others = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    environment = others | named | {"TMPDIR": str(tmp_path), "PAYMENTS_HOME": str(tmp_path / "nothing-runs-here")}
    command = [sys.executable, "-c", "from console.cli.main import main; main()", "demo"]
    done = subprocess.run(command, check=False, capture_output=True, env=environment, text=True, timeout=120)

    assert (done.returncode, done.stderr) == (0, "")
    assert "Claims Feed by status and reason" in done.stdout
    assert "Patient Payment Log by method" in done.stdout
    assert "payments a second" in done.stdout
    assert f"\n  {command_name()} up " in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_on_the_path", [True, False])
def test_next_steps_of_the_demo_can_be_pasted(monkeypatch: pytest.MonkeyPatch, is_on_the_path: bool) -> None:
    folder = Path(sys.executable).parent
    monkeypatch.setenv("PATH", str(folder) if is_on_the_path else "/nowhere")
    monkeypatch.chdir(folder.parents[1])

    assert command_name() == ("payments" if is_on_the_path else f"{folder.parent.name}/bin/payments")
