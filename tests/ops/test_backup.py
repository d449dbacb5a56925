"""Backup and restore as docs/how-to/back-up-and-restore.md describes them, while events are imported."""

import shutil
import subprocess
from contextlib import ExitStack, closing
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pytest
import redis
from sqlalchemy import text

from devstack.engines import embedded_postgres, embedded_valkey
from devstack.postgres_binaries import postgres_program
from payments.core.month import Month
from payments.journeys import closing as months
from payments.journeys import importing, reporting
from payments.journeys.balancing import BalanceFilter, balance
from payments.journeys.reporting import LogFilter
from payments.store.db.connection import Database, connect, transaction
from payments.store.migrations import upgrade
from tasks.feed import stream
from tasks.feed.streams import Streams
from tasks.resources import connect_redis
from tests.engines import scratch_database
from tests.make import body, deleted, run, saved
from tests.office import Office, paid

STREAM, TODAY, MAY, JUNE = "emr:payments", date(2026, 6, 30), Month.parse("2026-05"), Month.parse("2026-06")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "back-up-and-restore.md"


class Billing(NamedTuple):
    """A database and a feed."""

    database: Database
    feed: redis.Redis

    def publish(self, *events):
        for event in events:
            self.feed.xadd(STREAM, {"event": body(event)})

    def import_what_is_there(self, count=100):
        """Import new entries, and those that were handed out and not acknowledged."""
        stream.ensure_group(self.feed, STREAM)
        ids = [entry.entry_id for entry in stream.pending_entries(self.feed, STREAM, 0)]
        ids += [entry.entry_id for entry in Streams(self.feed, STREAM).read_new([STREAM], count, "nobody")]
        with transaction(self.database) as tx:
            importing.import_events(tx, stream.claim(self.feed, STREAM, ids), run())
        stream.acknowledge(self.feed, STREAM, ids)

    def seen(self):
        """Return what people see: the Payment Log, what stands in each month, and how the EMR and Billing balance."""
        with transaction(self.database) as tx:
            office = Office.__new__(Office)
            office.tx, office.company_id = tx, "company"
            log = reporting.payment_log(tx, LogFilter())
            totals = [office.month_total("2026-05"), office.month_total("2026-06")]
            return log, totals, balance(tx, BalanceFilter()).unexplained, months.verify(tx, "company", MAY)


@pytest.fixture
def opened():
    """Opens what is closed at the end of the test."""
    with ExitStack() as stack:
        yield stack


def billing(database_url, redis_url, opened):
    database = connect(database_url, application_name="backup")
    opened.callback(database.dispose)
    return Billing(database, opened.enter_context(closing(connect_redis(redis_url))))


def copy_append_only_file(feed, source, target):
    """Copy it while the server writes: nothing may be rewritten meanwhile."""
    percentage = feed.config_get("auto-aof-rewrite-percentage")["auto-aof-rewrite-percentage"]
    feed.config_set("auto-aof-rewrite-percentage", 0)
    assert feed.info("persistence")["aof_rewrite_in_progress"] == 0
    shutil.copytree(source / "valkey" / "appendonlydir", target / "valkey" / "appendonlydir")
    feed.config_set("auto-aof-rewrite-percentage", percentage)


def program(name, *arguments):
    done = subprocess.run([postgres_program(name), *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def plain(url):
    return url.replace("+psycopg", "", 1)


@pytest.mark.acceptance
def test_restored_backup_balances_and_continues(postgres_url, empty_ledger, tmp_path, opened):
    home, fresh, dump = tmp_path / "home", tmp_path / "fresh", tmp_path / "payments.dump"
    source_url = opened.enter_context(scratch_database(postgres_url, empty_ledger))
    source = billing(source_url, opened.enter_context(embedded_valkey(home)), opened)
    with transaction(source.database) as tx:
        office = Office(tx, TODAY)
        office.publish(saved(**paid("40.00", "2026-05-04", payment_id="old")))
        office.close("2026-05")
    source.publish(*(saved(**paid(f"{10 + n}.00", "2026-06-05", payment_id=f"p-{n}")) for n in range(20)))
    source.import_what_is_there(8)

    # The feed first: what is imported between the two copies is then in both of them, and counts once.
    copy_append_only_file(source.feed, home, fresh)
    source.import_what_is_there(8)
    program("pg_dump", "--format=custom", f"--file={dump}", plain(source_url))
    at_the_backup = source.seen()
    source.import_what_is_there()

    restored_url = opened.enter_context(embedded_postgres(fresh, durable=False))
    program("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={plain(restored_url)}", str(dump))
    upgrade(restored_url)
    restored = billing(restored_url, opened.enter_context(embedded_valkey(fresh)), opened)

    assert restored.seen() == at_the_backup
    assert len(at_the_backup[0]) == 17
    assert restored.feed.xlen(STREAM) == 12
    restored.import_what_is_there()
    log, totals, unexplained, may = restored.seen()
    assert (log, totals, unexplained, may) == source.seen()
    assert (len(log), [str(total) for total in totals], str(unexplained)) == (21, ["40.00", "390.00"], "0.00")
    assert may.matches
    # It is a ledger still: it takes what comes, and guards itself.
    restored.publish(saved(**paid("5.00", "2026-06-06", payment_id="new")), deleted(payment_id="p-0", version=2))
    restored.import_what_is_there()
    assert str(restored.seen()[1][1]) == "385.00"
    with pytest.raises(Exception, match="append-only"), transaction(restored.database) as tx:
        tx.execute(text("DELETE FROM entries"))


def test_document_lists_the_examples_in_order():
    page = PAGE.read_text()

    places = [
        page.index(word) for word in ("auto-aof-rewrite-percentage", "pg_dump", "pg_restore", "payments months verify")
    ]
    assert places == sorted(places)
