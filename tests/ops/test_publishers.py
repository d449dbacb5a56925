"""The example publishers in other languages publish events that fit the contract and are idempotent."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import uuid
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import redis

from payments.contract.event import PaymentSaved, read_event
from payments.contract.signature import signature_of
from payments.contract.stream_partition import stream_number
from tests.builders.events import payment_fields

EXAMPLES_FOLDER = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "publishers"
GUIDE_TEXT = (EXAMPLES_FOLDER.parent / "publish-from-an-emr.md").read_text()
# Java decodes its arguments with the locale's encoding.
UTF_8_ENVIRONMENT = dict(os.environ) | {"LC_ALL": "C.UTF-8"}
# Options for a short run: optimization would take longer than the run.
JAVA_COMMAND = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
KEY_FIELDS = ("type", "company_id", "clinic_id", "payment_id", "line_id", "version")
PAYMENT_EVENT = payment_fields(event_id=..., schema=..., memo="Zoë's 3 %", patient_id="的")


def node_command(url, stream):
    return ["node", str(EXAMPLES_FOLDER / "node.mjs"), url, stream, json.dumps(PAYMENT_EVENT, ensure_ascii=False)]


def java_command(url, stream):
    event = json.dumps({"schema": 1, "event_id": "%s", **PAYMENT_EVENT})
    return [
        *JAVA_COMMAND,
        str(EXAMPLES_FOLDER / "Publisher.java"),
        url,
        stream,
        event,
        *(str(PAYMENT_EVENT[name]) for name in KEY_FIELDS),
    ]


def php_command(url, stream):
    at = urlsplit(url)
    words = [unquote(word) for word in (at.username, at.password) if word]
    login = f"$redis->auth({json.dumps(words)});" if at.password else ""
    program = (
        f'require "{EXAMPLES_FOLDER / "php.php"}"; $redis = new Redis(); '
        f'$redis->connect("{at.hostname}", {at.port}); {login} '
        f"$redis->select({at.path.strip('/') or 0}); echo publish($redis, json_decode($argv[2], true), $argv[1]);"
    )
    return ["php", "-r", program, stream, json.dumps(PAYMENT_EVENT, ensure_ascii=False)]


@pytest.fixture
def client_and_stream(redis_url):
    """A Redis client and the name of a new stream."""
    name = f"published:{uuid.uuid4()}"
    with redis.Redis.from_url(redis_url, protocol=2) as client:
        yield client, name
        client.delete(name)


def skip_without(program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    if program == "php" and "redis" not in subprocess.check_output(["php", "-m"], text=True).split():
        pytest.skip("the redis extension of php is not installed")


@pytest.mark.acceptance
@pytest.mark.parametrize(
    "publisher", [node_command, java_command, php_command], ids=lambda publisher: publisher.__name__
)
def test_published_example_sends_an_idempotent_event(publisher, redis_url, client_and_stream):
    client, name = client_and_stream
    command = publisher(redis_url, name)
    skip_without(command[0])

    # Each process prints the id of its entry.
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    output = {process.communicate()[0].strip() for process in both}

    entries = client.xrange(name)
    assert {entry_id.decode() for entry_id, _ in entries} == output
    assert len(output) == 2
    first, again = (read_event(fields[b"event"]) for _, fields in entries)
    assert first == again
    assert isinstance(first, PaymentSaved)
    assert (first.memo, first.patient_id, first.key.payment_id) == ("Zoë's 3 %", "的", "payment")
    key = "\n".join(str(PAYMENT_EVENT[name]) for name in KEY_FIELDS)
    assert first.event_id == uuid.UUID(hashlib.sha256(key.encode()).hexdigest()[:32])


SIGNING_ENVIRONMENT = {"SIGNING_KEY": f"2026-10:{b'secret'.hex()}"}


@pytest.mark.acceptance
def test_node_example_signs_its_events(redis_url, client_and_stream):
    client, name = client_and_stream
    if shutil.which("node") is None:
        pytest.skip("node is not installed")

    subprocess.run(
        node_command(redis_url, name), check=True, env=os.environ | SIGNING_ENVIRONMENT, stdout=subprocess.DEVNULL
    )

    ((_, fields),) = client.xrange(name)
    assert fields[b"signature"].decode() == signature_of(fields[b"event"], "2026-10", b"secret")


def test_documented_command_computes_the_same_signature():
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    page = (EXAMPLES_FOLDER.parent / "publish-from-an-emr.md").read_text()
    (command,) = [line.strip() for line in page.splitlines() if "openssl dgst" in line]
    event = json.dumps(PAYMENT_EVENT, ensure_ascii=False)

    environment = os.environ | {"EVENT": event, "SECRET": b"secret".hex()}
    script = f'{command}; printf %s "$HMAC"'
    output = subprocess.run(["bash", "-c", script], check=True, env=environment, capture_output=True, text=True).stdout

    assert output == signature_of(event.encode(), "", b"secret").removeprefix(":")


@pytest.mark.acceptance
def test_published_example_reports_a_rejection(redis_url, client_and_stream):
    client, name = client_and_stream
    client.set(name, "not a stream")
    skip_without("node")

    done = subprocess.run(node_command(redis_url, name), check=False, capture_output=True, text=True)

    assert done.returncode == 1
    assert "WRONGTYPE" in done.stderr


@pytest.mark.parametrize("publisher", sorted(EXAMPLES_FOLDER.iterdir()), ids=lambda path: path.name)
def test_published_examples_hash_the_same_key(publisher):
    text = publisher.read_text()

    assert f"publishers/{publisher.name}" in (EXAMPLES_FOLDER.parent / "publish-from-an-emr.md").read_text()
    assert all(name in text for name in KEY_FIELDS) or publisher.suffix == ".java"
    assert '"\\n"' in text


def java_program(folder, expression):
    (folder / "Number.java").write_text(
        "import java.nio.ByteBuffer; import java.security.MessageDigest;"
        "import static java.nio.charset.StandardCharsets.UTF_8; public class Number { public static void main("
        "String[] given) throws Exception { for (int at = 0; at < given.length; at += 2) {"
        "String company = given[at]; int streams = Integer.parseInt(given[at + 1]);"
        f"System.out.println({expression}); }} }} }}"
    )
    return [*JAVA_COMMAND, "-Dsun.jnu.encoding=UTF-8", "-Dfile.encoding=UTF-8", str(folder / "Number.java")]


def node_program(_, expression):
    arguments = "const { createHash } = require('crypto'), given = process.argv.slice(1);"
    each = "for (let at = 0; at < given.length; at += 2) { const [company, streams] = given.slice(at, at + 2);"
    return ["node", "-e", f"{arguments} {each} console.log({expression}) }}"]


def php_program(_, expression):
    each = "foreach (array_chunk(array_slice($argv, 1), 2) as [$company, $streams])"
    return ["php", "-r", f"{each} echo {expression}, PHP_EOL;"]


PROGRAM_BY_LANGUAGE = {"Node": node_program, "PHP": php_program, "Java": java_program}


@pytest.mark.acceptance
@pytest.mark.parametrize("language", PROGRAM_BY_LANGUAGE)
def test_published_examples_compute_the_same_stream(language, tmp_path):
    (expression,) = re.findall(rf"^\| {language} \| `([^`]+)` \|$", GUIDE_TEXT, re.MULTILINE)
    command = PROGRAM_BY_LANGUAGE[language](tmp_path, expression)
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")

    companies = [("acme", 8), ("Zoë 的 🦷", 8), ("company-1", 7), ("x" * 64, 256)]
    arguments = [str(word) for each in companies for word in each]
    output = subprocess.check_output([*command, *arguments], text=True, env=UTF_8_ENVIRONMENT)

    assert [int(number) for number in output.split()] == [stream_number(*each) for each in companies]


def test_publishing_guide_states_stream_numbers_of_sample_companies():
    assert "`acme` belongs to stream 5, `company-1` to 0, and `Zoë 的 🦷` to 3" in " ".join(GUIDE_TEXT.split())
    assert [stream_number(company, 8) for company in ("acme", "company-1", "Zoë 的 🦷")] == [5, 0, 3]
