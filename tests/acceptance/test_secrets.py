"""Logs, queue messages and Flower contain identifiers and no secrets."""

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

from tests.acceptance.events import ALL_TYPES, deletion, key, patient, payment
from tests.acceptance.stack import Stack

CLINIC = COMPANY = "written"
NAME, MEMO, REFERENCE = "Zenobia Quillfeather", "knee brace xylophone", "cheque 90817263"
PRIVATE = (NAME, "Quillfeather", MEMO, "xylophone", REFERENCE, "Abbott")
# The database quotes the row, as it does where a rule of a table is broken.
REFUSING = """
CREATE OR REPLACE FUNCTION quote_the_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'this row breaks a rule' USING DETAIL = 'Failing row contains ' || NEW::text;
END $$;
CREATE TRIGGER quote_the_row BEFORE INSERT ON lines
    FOR EACH ROW WHEN (NEW.payment_id = 'unstorable') EXECUTE FUNCTION quote_the_row();
"""


def said(event: dict[str, object]) -> dict[str, object]:
    told = {"name": NAME} if event["type"] == "patient.saved" else {"memo": MEMO, "reference": REFERENCE}
    return event | {"company_id": COMPANY} | told


def test_logs_queues_and_flower_contain_no_names_memos_or_passwords(stack: Stack) -> None:
    engines = json.loads((stack.home / "run" / "stack.json").read_text())["engines"]
    stack.do("settings", "set", CLINIC, "--company", COMPANY, "--integration", "on", "--types", ALL_TYPES)
    with psycopg.connect(engines["database_url"].replace("+psycopg", "", 1), autocommit=True) as database:
        database.execute(REFUSING)
        try:
            with everything_said_to(engines["redis_url"]) as heard:
                much_goes_wrong(stack)
                until_it_has_failed(stack, database)
                flower = "".join(pages_of_flower(stack.flower_port))
        finally:
            database.execute("DROP TRIGGER quote_the_row ON lines")

    logs = written(stack)
    assert "entry_failed" in logs
    assert "this row breaks a rule" in logs
    assert "payments.import_events" in flower
    queued = "\n".join(line for line in heard if not line.startswith("XADD "))
    assert "LPUSH payments:imports" in queued
    assert {word for word in PRIVATE if word in logs + queued + flower} == set()
    # Each process logs in to Redis, and is told how by its environment; neither is a log.
    passwords = {urlsplit(url).password for url in engines.values()} - {None}
    # The embedded Redis has one; a server that is named may let in everyone who reaches it.
    assert passwords or "REDIS_URL" in os.environ
    assert {word for word in passwords if word in logs + flower} == set()


def much_goes_wrong(stack: Stack) -> None:
    """Publish what is imported, updated, deleted, refused in every way, in conflict, held, too early and unstorable."""
    stack.publish(
        said(patient(f"{CLINIC}-ada")),
        said(payment(CLINIC, "good")),
        said(payment(CLINIC, "gone")),
        said(payment(CLINIC, "early", patient_id="nobody-yet")),
        said(payment(CLINIC, "internal", internal_payment=True)),
        said(payment(CLINIC, "unreadable")) | {"memo": MEMO * 1_000},
        said(payment(CLINIC, "no-method")) | {"method": NAME},
        json.dumps(said(payment(CLINIC, "cut"))).encode()[:-20],
        json.dumps(said(payment(CLINIC, "large")) | {"memo": MEMO * 10_000}).encode(),
    )
    stack.settle()
    stack.publish(
        said(payment(CLINIC, "good", "35.00", version=2)),
        said(payment(CLINIC, "good", "36.00", version=2)),
        said(deletion(CLINIC, "gone", version=2)),
        said(payment(CLINIC, "unstorable")),
    )
    stack.run("requeue", key(CLINIC, "unreadable"))
    stack.run("timeline", key(CLINIC, "nothing of the kind"))


def until_it_has_failed(stack: Stack, database: psycopg.Connection[tuple[object, ...]]) -> None:
    failed = "SELECT count(*) FROM history WHERE error LIKE '%breaks a rule%'"
    while database.execute(failed).fetchone() == (0,):
        assert stack.process.poll() is None


@contextmanager
def everything_said_to(redis_url: str) -> Iterator[list[str]]:
    """Give every command that the server gets while the block runs, as it shows them."""
    heard: list[str] = []
    with redis.Redis.from_url(redis_url, protocol=2) as client, client.monitor() as monitor:

        def listen() -> None:
            for each in monitor.listen():
                heard.append(each["command"] if isinstance(each, dict) else str(each))
                if "the test has heard enough" in heard[-1]:
                    return

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield heard
        client.echo("the test has heard enough")
        thread.join(10)
        assert not thread.is_alive()


def pages_of_flower(port: int) -> Iterator[str]:
    paths = ["api/tasks", "api/workers?refresh=1", "workers", "tasks", "broker"]
    workers = json.loads(page(port, paths[1]))
    tasks = json.loads(page(port, paths[0]))
    paths += [f"worker/{name}" for name in workers] + [f"task/{name}" for name in [*tasks][:20]]
    for path in paths:
        yield page(port, path)


def page(port: int, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=20) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return f"{path}: {error.code}"


def written(stack: Stack) -> str:
    """Return everything that was logged in this run: by each process, by the engines, and on the terminal."""
    files = [stack.log, *sorted((stack.home / "log").iterdir())]
    assert {"importer.log", "postgres.log", "console.log"} <= {file.name for file in files}
    return "".join(file.read_text(errors="replace") for file in files if isinstance(file, Path))
