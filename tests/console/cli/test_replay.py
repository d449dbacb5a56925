"""`payments replay` imports kept entries again, prints the counts, and records the user in the audit history."""

from datetime import UTC, datetime, timedelta

import pytest
import redis

from payments.access.audit import AuditFilter
from payments.contract.event import Event
from payments.store.db.connection import Database, transaction
from tasks.feed import stream
from tests.builders.audit_history import newest_entries
from tests.builders.committed import Company
from tests.builders.events import event_body, paid, saved_payment
from tests.builders.kept_entries import STREAM, publish_kept_entries
from tests.console.conftest import Terminal

pytestmark = pytest.mark.slow


@pytest.fixture
def company(ledger_database: Database) -> Company:
    return Company(ledger_database)


def payment(company: Company, payment_id: str, **changes: object) -> Event:
    return saved_payment(**paid("10.00", "2020-05-02"), **company.ids | {"payment_id": payment_id} | changes)


def newest_audit_entries(database: Database) -> list[tuple[str, str]]:
    with transaction(database) as tx:
        return [(each.action, each.detail) for each in newest_entries(tx, AuditFilter(), 2)][::-1]


def test_replay_prints_its_counts(terminal: Terminal, company: Company, feed: redis.Redis) -> None:
    company.import_events(payment(company, "there"))
    ids = publish_kept_entries(feed, payment(company, "there"), payment(company, "lost"), b"{}")
    feed.xadd(STREAM, {"event": event_body(payment(company, "new"))})
    since = datetime.now(UTC) - timedelta(minutes=5)
    first, last = (datetime.fromtimestamp(int(ids[at].split("-")[0]) // 1_000, UTC) for at in (0, -1))

    result = terminal.run("replay", "--since", since.isoformat())

    assert (result.status, result.err) == (0, "")
    assert result.out.splitlines() == [
        f"3 kept entries read, published from {first:%Y-%m-%dT%H:%M:%SZ} to {last:%Y-%m-%dT%H:%M:%SZ}.",
        "2 entries changed data in Billing.",
    ]
    assert newest_audit_entries(company.database) == [
        ("started replay", f"since {since.isoformat()}"),
        ("ended replay", "read 3, changed 2"),
    ]
    assert (
        terminal.run("replay", "--since", since.isoformat()).out.splitlines()[-1]
        == "0 entries changed data in Billing."
    )
    timeline = terminal.run("timeline", f"{company.id}/lost/1", "--format", "json").rows
    assert len(timeline) == 1


def test_replay_prints_the_number_of_pending_entries(terminal: Terminal, company: Company, feed: redis.Redis) -> None:
    publish_kept_entries(feed, payment(company, "1"))
    feed.xadd(STREAM, {"event": event_body(payment(company, "2"))})
    feed.xreadgroup(stream.GROUP, stream.IMPORTER, {STREAM: ">"})

    result = terminal.run("replay", "--since", "2020-01-01", "--until", "2999-01-01")

    assert result.out.splitlines()[1:] == [
        "1 entry changed data in Billing.",
        "1 pending entry skipped: the importers process them.",
    ]


def test_replay_without_kept_entries_says_that_none_were_read(
    terminal: Terminal, company: Company, feed: redis.Redis
) -> None:
    feed.xadd(STREAM, {"event": event_body(payment(company, "1"))})

    result = terminal.run("replay", "--since", "2020-01-01")

    assert result.status == 0
    assert result.out.splitlines() == [
        "0 kept entries read.",
        "0 entries changed data in Billing.",
        "PAYMENTS_KEEP_ENTRIES is 0: each entry is deleted when it is acknowledged, so nothing can be replayed.",
    ]


def test_replay_of_signed_entries_requires_the_signing_keys(
    terminal: Terminal, company: Company, feed: redis.Redis
) -> None:
    publish_kept_entries(feed, payment(company, "1"))
    signed = {"event": event_body(payment(company, "2")), "signature": "2026-10:" + 64 * "0"}
    feed.xadd(STREAM, signed)
    feed.xreadgroup(stream.GROUP, stream.IMPORTER, {STREAM: ">"}, noack=True)

    result = terminal.run("replay", "--since", "2020-01-01")

    assert (result.status, result.out) == (1, "")
    assert "set PAYMENTS_SIGNING_KEYS" in result.err


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "Missing option '--since'"),
        (["--since", "yesterday"], "'yesterday' is not a time such as"),
        (["--since", "2020-02-01", "--until", "2020-02-01"], "expected a time after --since"),
    ],
)
def test_invalid_times_are_refused(terminal: Terminal, arguments: list[str], error: str) -> None:
    result = terminal.run("replay", *arguments)

    assert result.status == 2
    assert error in result.err
