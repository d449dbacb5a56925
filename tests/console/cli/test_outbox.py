"""`payments emr outbox` lists the waiting events and the refused events of an EMR's outbox."""

from collections.abc import Iterator

import psycopg
import pytest

from config.database_urls import libpq_url
from emr.client import PaymentFeed
from emr.outbox import Relay, create_table, write
from tests.console.conftest import Terminal
from tests.engines import scratch_database


@pytest.fixture
def emr_url(postgres_url: str) -> Iterator[str]:
    with scratch_database(postgres_url) as url:
        yield libpq_url(url)


def test_outbox_shows_waiting_and_refused_events(terminal: Terminal, emr_url: str, redis_url: str) -> None:
    with psycopg.connect(emr_url) as emr:
        create_table(emr)
        write(emr, b"{}")
        emr.commit()
        assert terminal.run("emr", "outbox", emr_url) == (0, "1 event waiting, 0 moved aside\n", "")

        write(emr, b"x" * 70_000)
        emr.commit()
        with PaymentFeed(redis_url, "emr:test:outbox") as feed:
            Relay(emr, feed).publish_chunk()

    shown = terminal.run("emr", "outbox", emr_url)
    assert (shown.status, shown.err) == (1, "")
    first, event = shown.out.splitlines()
    assert first == "0 events waiting, 1 moved aside"
    assert event.startswith("2  20")
    assert event.endswith("  70,000 bytes  70,000 bytes; an event has at most 65,536")

    assert terminal.run("emr", "outbox", emr_url, "--retry") == (0, "1 event waiting, 0 moved aside\n", "")
    assert terminal.run("emr", "outbox", emr_url) == (0, "1 event waiting, 0 moved aside\n", "")


@pytest.mark.parametrize(
    ("url", "status", "expected"),
    [
        ("postgresql://emr:s3cret@127.0.0.1:1/emr", 1, "the EMR's database does not answer: "),
        ("postgresql://emr:s3cret@127.0.0.1:1/emr?mode=s3cret", 2, "URL: not a PostgreSQL URL such as "),
        ("s3cret", 2, "URL: not a PostgreSQL URL such as "),
    ],
)
def test_outbox_that_cannot_be_reached_is_reported_without_a_password(
    terminal: Terminal, url: str, status: int, expected: str
) -> None:
    result = terminal.run("emr", "outbox", url)

    assert (result.status, result.out, result.err.count("\n")) == (status, "", 1)
    assert expected in result.err
    assert "s3cret" not in result.err


def test_database_without_an_outbox_is_reported(terminal: Terminal, emr_url: str) -> None:
    result = terminal.run("emr", "outbox", emr_url)

    assert (result.status, result.out) == (1, "")
    assert 'the outbox cannot be read: relation "payment_outbox" does not exist' in result.err
