"""A save that another language publishes is an event of the contract, and the same event when it is repeated."""

import hashlib
import json
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
import redis

from payments.core.event import PaymentSaved, read_event
from tests.make import said

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "publishers"
KEY = ("type", "company_id", "clinic_id", "payment_id", "line_id", "version")
SAVE = said(event_id=..., schema=..., memo="Zoë's 3 %", patient_id="的")


def node(url, stream):
    return ["node", str(FOLDER / "node.mjs"), url, stream, json.dumps(SAVE, ensure_ascii=False)]


def java(url, stream):
    event = json.dumps({"schema": 1, "event_id": "%s", **SAVE})
    return ["java", str(FOLDER / "Publisher.java"), url, stream, event, *(str(SAVE[name]) for name in KEY)]


@pytest.fixture
def stream(redis_url):
    """A stream of its own, as a client and its name."""
    name = f"published:{uuid.uuid4()}"
    with redis.Redis.from_url(redis_url, protocol=2) as client:
        yield client, name
        client.delete(name)


@pytest.mark.parametrize("publisher", [node, java], ids=lambda publisher: publisher.__name__)
def test_a_save_is_an_event_and_its_repeat_the_same_one(publisher, redis_url, stream):
    client, name = stream
    command = publisher(redis_url, name)
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed: its publisher cannot be tried")

    # Each says the id of the entry that it made.
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = {process.communicate()[0].strip() for process in both}

    entries = client.xrange(name)
    assert {entry_id.decode() for entry_id, _ in entries} == told
    assert len(told) == 2
    first, again = (read_event(fields[b"event"]) for _, fields in entries)
    assert first == again
    assert isinstance(first, PaymentSaved)
    assert (first.memo, first.patient_id, first.key.payment_id) == ("Zoë's 3 %", "的", "payment")
    key = "\n".join(str(SAVE[name]) for name in KEY)
    assert first.event_id == uuid.UUID(hashlib.sha256(key.encode()).hexdigest()[:32])


def test_a_refusal_is_told(redis_url, stream):
    client, name = stream
    client.set(name, "not a stream")
    if shutil.which("node") is None:
        pytest.skip("node is not installed: its publisher cannot be tried")

    done = subprocess.run(node(redis_url, name), check=False, capture_output=True, text=True)

    assert done.returncode == 1
    assert "WRONGTYPE" in done.stderr


@pytest.mark.parametrize("publisher", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_each_publisher_is_in_the_page_and_hashes_the_same_key(publisher):
    text = publisher.read_text()

    assert f"publishers/{publisher.name}" in (FOLDER.parent / "publishers.md").read_text()
    assert all(name in text for name in KEY) or publisher.suffix == ".java"
    assert '"\\n"' in text
