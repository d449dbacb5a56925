"""Logs, queue messages and Flower contain identifiers, but no secrets."""

import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import redis

from config.database_urls import libpq_url
from tests.acceptance.events import ALL_TYPES, deletion, line_key, patient, payment
from tests.acceptance.stack import Stack

CLINIC = COMPANY = "written"
NAME, MEMO, REFERENCE = "Zenobia Quillfeather", "knee brace xylophone", "cheque 90817263"
PRIVATE_TEXTS = (NAME, "Quillfeather", MEMO, "xylophone", REFERENCE, "Abbott")
# PostgreSQL quotes the row in its error, as it does for a violated constraint.
ROW_QUOTING_TRIGGER = """
CREATE OR REPLACE FUNCTION quote_the_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'this row breaks a rule' USING DETAIL = 'Failing row contains ' || NEW::text;
END $$;
CREATE TRIGGER quote_the_row BEFORE INSERT ON lines
    FOR EACH ROW WHEN (NEW.payment_id = 'unstorable') EXECUTE FUNCTION quote_the_row();
"""


def with_private_data(event: dict[str, object]) -> dict[str, object]:
    private = {"name": NAME} if event["type"] == "patient.saved" else {"memo": MEMO, "reference": REFERENCE}
    return event | {"company_id": COMPANY} | private


def test_logs_queues_and_flower_contain_no_names_memos_or_passwords(stack: Stack) -> None:
    engines = json.loads((stack.home / "run" / "stack.json").read_text())["engines"]
    stack.run_successfully("settings", "set", CLINIC, "--company", COMPANY, "--integration", "on", "--types", ALL_TYPES)
    with psycopg.connect(libpq_url(engines["database_url"]), autocommit=True) as database:
        database.execute(ROW_QUOTING_TRIGGER)
        try:
            with monitor_commands(engines["redis_url"]) as commands:
                publish_every_outcome(stack)
                wait_for_failed_import(stack, database)
                flower = "".join(flower_pages(stack.flower_port))
        finally:
            database.execute("DROP TRIGGER quote_the_row ON lines")

    logs = read_logs(stack)
    assert "entry_failed" in logs
    assert "this row breaks a rule" in logs
    assert "payments.import_events" in flower
    queued = "\n".join(line for line in commands if not line.startswith("XADD "))
    assert "LPUSH payments:imports" in queued
    assert {word for word in PRIVATE_TEXTS if word in logs + queued + flower} == set()
    # Passwords may appear in Redis logins and in the environment, but not in logs or Flower.
    passwords = {urlsplit(url).password for url in engines.values()} - {None}
    # The embedded Redis has a password; an external server may have none.
    assert passwords or "REDIS_URL" in os.environ
    assert {word for word in passwords if word in logs + flower} == set()


def publish_every_outcome(stack: Stack) -> None:
    """Publish events for every outcome: imported, updated, deleted, invalid, in conflict, held and failed."""
    stack.publish(
        with_private_data(patient(f"{CLINIC}-ada")),
        with_private_data(payment(CLINIC, "good")),
        with_private_data(payment(CLINIC, "gone")),
        with_private_data(payment(CLINIC, "early", patient_id="unknown-patient")),
        with_private_data(payment(CLINIC, "internal", internal_payment=True)),
        with_private_data(payment(CLINIC, "unreadable")) | {"memo": MEMO * 1_000},
        with_private_data(payment(CLINIC, "no-method")) | {"method": NAME},
        json.dumps(with_private_data(payment(CLINIC, "cut"))).encode()[:-20],
        json.dumps(with_private_data(payment(CLINIC, "large")) | {"memo": MEMO * 10_000}).encode(),
    )
    stack.wait_until_idle()
    stack.publish(
        with_private_data(payment(CLINIC, "good", "35.00", version=2)),
        with_private_data(payment(CLINIC, "good", "36.00", version=2)),
        with_private_data(deletion(CLINIC, "gone", version=2)),
        with_private_data(payment(CLINIC, "unstorable")),
    )
    stack.run("requeue", line_key(CLINIC, "unreadable"))
    stack.run("timeline", line_key(CLINIC, "unknown"))


def wait_for_failed_import(stack: Stack, database: psycopg.Connection[tuple[object, ...]]) -> None:
    failed = "SELECT count(*) FROM history WHERE error LIKE '%breaks a rule%'"
    while database.execute(failed).fetchone() == (0,):
        assert stack.process.poll() is None


@contextmanager
def monitor_commands(redis_url: str) -> Iterator[list[str]]:
    """Yield a list. During the block, MONITOR adds to it each command that the Redis server receives."""
    commands: list[str] = []
    with redis.Redis.from_url(redis_url, protocol=2) as client, client.monitor() as monitor:

        def listen() -> None:
            for each in monitor.listen():
                commands.append(each["command"] if isinstance(each, dict) else str(each))
                if "end of the monitored block" in commands[-1]:
                    return

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield commands
        client.echo("end of the monitored block")
        thread.join(10)
        assert not thread.is_alive()


def flower_pages(port: int) -> Iterator[str]:
    paths = ["api/tasks", "api/workers?refresh=1", "workers", "tasks", "broker"]
    workers = json.loads(get_page(port, paths[1]))
    tasks = json.loads(get_page(port, paths[0]))
    paths += [f"worker/{name}" for name in workers] + [f"task/{name}" for name in [*tasks][:20]]
    for path in paths:
        yield get_page(port, path)


def get_page(port: int, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=20) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return f"{path}: {error.code}"


def read_logs(stack: Stack) -> str:
    """Return all logs of this run: of each process, of the engines, and of `payments up`."""
    files = [stack.log, *sorted((stack.home / "log").iterdir())]
    assert {"importer.log", "postgres.log", "console.log"} <= {file.name for file in files}
    return "".join(file.read_text(errors="replace") for file in files if isinstance(file, Path))
