"""Flower's Redis user sees the tasks, but neither the feed nor the queues."""

import json
import subprocess
import sys
import time
import urllib.request
from contextlib import closing

import pytest
import redis

from config.celery import FINDINGS, celery_settings
from config.engines import Engines
from tasks import health
from tasks.app import close_app, make_app
from tasks.resources import connect_redis
from tests.acceptance.stack import clean_environment
from tests.ops.test_rights import STREAM, is_refused
from workers.runtime.ports import free_port

pytestmark = pytest.mark.slow

WAIT_SECONDS = 30


def url_of_user(user, server):
    return f"redis://{user}:{user}-secret@127.0.0.1:{server}/0"


@pytest.fixture
def flower(server, postgres_url, tmp_path):
    """Run Flower and a worker as their Redis users. Yield (function that reads Flower's API, Flower's log file)."""
    port, processes = free_port(), []
    common = clean_environment() | {"PAYMENTS_HOME": str(tmp_path), "FLOWER_UNAUTHENTICATED_API": "true"}
    with (tmp_path / "log").open("wb") as log:
        for module, user, database in (
            ("workers.flower", "flower", "postgresql://nobody@127.0.0.1:1/none"),
            ("workers.backoffice", "billing", postgres_url),
        ):
            environment = common | {
                "DATABASE_URL": database,
                "REDIS_URL": url_of_user(user, server),
                "PAYMENTS_FLOWER_PORT": str(port),
            }
            processes.append(subprocess.Popen([sys.executable, "-m", module], env=environment, stdout=log, stderr=log))

        def get(path):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=WAIT_SECONDS) as answer:
                return json.load(answer)

        yield get, tmp_path / "log"
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(WAIT_SECONDS)


def wait_for(query, log):
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            if found := query():
                return found
        except OSError:  # it is not up yet
            pass
        assert time.monotonic() < deadline, log.read_text()[-3_000:]
        time.sleep(0.1)


@pytest.mark.acceptance
def test_flower_sees_workers_and_tasks(server, flower):
    get, log = flower
    engines = Engines.from_urls("postgresql+psycopg://nobody@127.0.0.1:1/none", url_of_user("billing", server))
    make_app(celery_settings(engines))
    workers = wait_for(lambda: get("api/workers?refresh=1"), log)
    health.ping.apply_async(kwargs={"reply_to": "payments:canary:rights"}, queue=FINDINGS)

    tasks = wait_for(lambda: [each for each in get("api/tasks").values() if each["state"] == "SUCCESS"], log)
    close_app()

    assert [name.partition("@")[0] for name in workers] == ["backoffice"]
    assert "billing.detect_exceptions" in str(workers)
    assert [task["name"] for task in tasks] == ["canary.sing"]
    with redis.Redis(port=server, username="billing", password="billing-secret") as client:
        client.delete("payments:canary:rights")


def test_flower_cannot_read_the_feed_or_write_to_queues(server):
    with closing(connect_redis(url_of_user("flower", server))) as client:
        others = [
            f"XRANGE {STREAM} - +",
            f"XLEN {STREAM}",
            f"XADD {STREAM} * event e",
            f"DEL {STREAM}",
            "LPUSH payments:imports m",
            "RPOP payments:imports",
            "DEL payments:imports",
            "BRPOP payments:imports 1",
            "HDEL payments:unacked m",
            "SET payments:intake:heartbeat 1",
            "KEYS *",
            "FLUSHDB",
            "CONFIG GET *",
            "ACL LIST",
            "PUBLISH another m",
        ]
        assert [command for command in others if not is_refused(client, *command.split())] == []
        assert client.llen("payments:imports") == 0
