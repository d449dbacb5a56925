"""Back up and restore while events are imported, as docs/how-to/back-up-and-restore.md describes."""

import shutil
import subprocess
from contextlib import ExitStack, closing
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pytest
import redis
from sqlalchemy import text

from config.database_urls import libpq_url
from devstack.engines import embedded_postgres, embedded_valkey
from devstack.postgres_binaries import postgres_program
from payments.core.month import Month
from payments.journeys import closing as months
from payments.journeys import importing, reporting
from payments.journeys.balancing import BalanceFilter, balance
from payments.journeys.reporting import PaymentLogFilter
from payments.store.db.connection import Database, connect, transaction
from payments.store.db.isolation import check_isolation
from payments.store.migrations import upgrade
from tasks.feed import pending, stream
from tasks.feed.streams import Streams
from tasks.resources import connect_redis
from tests.builders.events import deleted_payment, event_body, paid, run_context, saved_payment
from tests.builders.office import Office
from tests.engines import scratch_database

STREAM, TODAY, MAY, JUNE = "emr:payments", date(2026, 6, 30), Month.parse("2026-05"), Month.parse("2026-06")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "back-up-and-restore.md"


class Stores(NamedTuple):
    """A ledger database and a feed, which are backed up and restored together."""

    database: Database
    feed: redis.Redis

    def publish(self, *events):
        for event in events:
            self.feed.xadd(STREAM, {"event": event_body(event)})

    def import_pending(self, count=100):
        """Import pending and new entries, and acknowledge them."""
        stream.ensure_group(self.feed, STREAM)
        ids = [entry.entry_id for entry in pending.pending_entries(self.feed, STREAM, 0)]
        ids += [entry.entry_id for entry in Streams(self.feed, STREAM).read_new([STREAM], count, "reader")]
        with transaction(self.database) as tx:
            importing.import_events(tx, stream.claim(self.feed, STREAM, ids).entries, run_context())
        stream.acknowledge_and_delete(self.feed, STREAM, ids)

    def state(self):
        """Return the Payment Log, the month totals, the unexplained difference, and the verification of May."""
        with transaction(self.database) as tx:
            office = Office.__new__(Office)
            office.tx, office.company_id = tx, "company"
            log = list(reporting.payment_log(tx, PaymentLogFilter()))
            totals = [office.month_total("2026-05"), office.month_total("2026-06")]
            return log, totals, balance(tx, BalanceFilter()).unexplained, months.verify(tx, "company", MAY)


@pytest.fixture
def exit_stack():
    """A contextlib.ExitStack that is closed at the end of the test."""
    with ExitStack() as stack:
        yield stack


def connect_stores(database_url, redis_url, exit_stack):
    database = connect(database_url, application_name="backup")
    exit_stack.callback(database.dispose)
    return Stores(database, exit_stack.enter_context(closing(connect_redis(redis_url))))


def copy_append_only_file(feed, source, target):
    """Copy the append-only file of a running server, with rewrites disabled during the copy."""
    percentage = feed.config_get("auto-aof-rewrite-percentage")["auto-aof-rewrite-percentage"]
    feed.config_set("auto-aof-rewrite-percentage", 0)
    assert feed.info("persistence")["aof_rewrite_in_progress"] == 0
    shutil.copytree(source / "valkey" / "appendonlydir", target / "valkey" / "appendonlydir")
    feed.config_set("auto-aof-rewrite-percentage", percentage)


def run_program(name, *arguments):
    done = subprocess.run([postgres_program(name), *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def restore(url, dump):
    run_program("psql", f"--dbname={libpq_url(url)}", "--command", "CREATE ROLE payments_console NOLOGIN")
    run_program("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={libpq_url(url)}", str(dump))
    upgrade(url)
    check_isolation(url, application_name="backup")


@pytest.mark.acceptance
def test_restored_backup_balances_and_continues(postgres_url, ledger_template, tmp_path, exit_stack):
    home, fresh, dump = tmp_path / "home", tmp_path / "fresh", tmp_path / "payments.dump"
    source_url = exit_stack.enter_context(scratch_database(postgres_url, ledger_template))
    source = connect_stores(source_url, exit_stack.enter_context(embedded_valkey(home)), exit_stack)
    with transaction(source.database) as tx:
        office = Office(tx, TODAY)
        office.publish(saved_payment(**paid("40.00", "2026-05-04", payment_id="old")))
        office.close_months("2026-05")
    source.publish(*(saved_payment(**paid(f"{10 + n}.00", "2026-06-05", payment_id=f"p-{n}")) for n in range(20)))
    source.import_pending(8)

    # Copy the feed first. Events imported between the two copies are then in both, and count once.
    copy_append_only_file(source.feed, home, fresh)
    source.import_pending(8)
    run_program("pg_dump", "--format=custom", f"--file={dump}", libpq_url(source_url))
    at_the_backup = source.state()
    source.import_pending()

    restored_url = exit_stack.enter_context(embedded_postgres(fresh, durable=False))
    restore(restored_url, dump)
    restored = connect_stores(restored_url, exit_stack.enter_context(embedded_valkey(fresh)), exit_stack)

    assert restored.state() == at_the_backup
    assert len(at_the_backup[0]) == 17
    assert restored.feed.xlen(STREAM) == 12
    restored.import_pending()
    log, totals, unexplained, may = restored.state()
    assert (log, totals, unexplained, may) == source.state()
    assert (len(log), [str(total) for total in totals], str(unexplained)) == (21, ["40.00", "390.00"], "0.00")
    assert may.matches
    # The restored ledger imports new events and is still append-only.
    restored.publish(
        saved_payment(**paid("5.00", "2026-06-06", payment_id="new")), deleted_payment(payment_id="p-0", version=2)
    )
    restored.import_pending()
    assert str(restored.state()[1][1]) == "385.00"
    with pytest.raises(Exception, match="append-only"), transaction(restored.database) as tx:
        tx.execute(text("DELETE FROM entries"))


def test_document_lists_the_examples_in_order():
    page = PAGE.read_text()

    examples = ("auto-aof-rewrite-percentage", "pg_dump", "CREATE ROLE", "pg_restore", "payments months verify")
    places = [page.index(word) for word in examples]
    assert places == sorted(places)
