"""Move a company between two running stacks: `python -m bench.moving [PAYMENTS]`.

Both stacks continuously import the events of other companies. All companies use the same ids of clinics, patients and
payments. The moving company's EMR saves payments throughout, and its publisher is paused as
docs/how-to/move-a-company.md says. At the end, the program looks for lost and doubled payments, balances every company
against its EMR, and prints how long the publisher was paused.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from bench.office_at_work import Company, FrontDesk, Outbox
from config.database_urls import libpq_url, with_database
from console.cli.session import CliContext
from console.cli.temporary_stack import temporary_stack
from emr.client import PaymentFeed
from emr.payment_log import write_payment_log
from payments.contract.event import ChargeType

PAYMENTS, MOVING = 100_000, "moving"
SAVES_A_SECOND, OTHERS_A_SECOND = 20, 20
SECONDS_AFTER_MOVE = 5
IMPORT_SECONDS_MAX = 1_800


class WrongResultError(Exception):
    """A payment was lost or doubled, or a company does not balance."""


class BusyStack(NamedTuple):
    """A running stack, and the companies that continuously publish to it."""

    name: str
    context: CliContext
    others: tuple[Company, ...]

    def run(self, *arguments: object) -> str:
        """Run a `payments` command with this stack, and return its output. Raises CalledProcessError if it fails."""
        command = [str(Path(sys.executable).with_name("payments")), *map(str, arguments)]
        env = {name: value for name, value in os.environ.items() if not name.startswith("PAYMENTS_")}
        done = subprocess.run(
            command,
            env=env | {"PAYMENTS_HOME": str(self.context.settings.home)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout

    def query(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query on this stack's database."""
        with psycopg.connect(libpq_url(self.context.engines.database_url)) as connection:
            return connection.execute(statement, parameters).fetchall()


def main() -> None:
    """Move a company of PAYMENTS payments, verify the result, and print the measured times."""
    asked = argparse.ArgumentParser(prog="python -m bench.moving", description=__doc__)
    asked.add_argument("payments", type=int, nargs="?", default=PAYMENTS)
    payments = asked.parse_args().payments
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pay-bench-")))
        old, new = (stack.enter_context(_start_stack(name)) for name in ("old", "new"))
        company = Company(MOVING)
        _fill(old, company, payments)
        outbox = Outbox(_create_emr_database(old))
        stack.callback(outbox.close)
        _move((old, new), company, outbox, folder)
        _verify((old, new), company, folder)


@contextmanager
def _start_stack(name: str) -> Iterator[BusyStack]:
    with temporary_stack() as running:
        context = running.wait_until_healthy(lambda _: None)
        yield BusyStack(name, context, tuple(Company(f"{name}-{number}") for number in range(3)))


def _fill(old: BusyStack, company: Company, payments: int) -> None:
    """Import the company's payments into the old stack, and close the company's first two months."""
    began = time.monotonic()
    for clinic in company.clinics:
        _set_up(old, company.id, clinic)
    old.run("company", "set", company.id, "--timezone", "America/Denver")
    with PaymentFeed(old.context.engines.redis_url) as feed:
        feed.publish_many(company.patients())
        feed.publish_many(company.payments(payments))
    _wait_for_lines(old, company)
    for month in ("2026-04", "2026-05"):
        old.run("months", "close", company.id, month, "--yes")
    print(f"{payments:,} payments of company {company.id} imported in {time.monotonic() - began:.1f} s", flush=True)


def _set_up(stack: BusyStack, company_id: str, clinic: str) -> None:
    types = ",".join(kind for kind in ChargeType if kind is not ChargeType.SUPPLIES)
    stack.run("settings", "set", clinic, "--company", company_id, "--integration", "on", "--types", types)


def _create_emr_database(old: BusyStack) -> str:
    with psycopg.connect(libpq_url(old.context.engines.database_url), autocommit=True) as connection:
        connection.execute("CREATE DATABASE emr")
    return libpq_url(with_database(old.context.engines.database_url, "emr"))


def _move(stacks: tuple[BusyStack, BusyStack], company: Company, outbox: Outbox, folder: Path) -> None:
    """Move the company while its EMR and all other companies continue to save payments."""
    old, new = stacks
    with ExitStack() as working:
        for stack in stacks:
            _start_others(stack, working)
        working.callback(FrontDesk(company, outbox.write, SAVES_A_SECOND).close)
        stop = outbox.start_relay(old.context.engines.redis_url)
        time.sleep(SECONDS_AFTER_MOVE)

        stop()
        paused_at, step = outbox.last_published, [time.monotonic()]
        exported = json.loads(old.run("company", "export", company.id, "--to", folder / "export", "--format", "json"))
        step.append(time.monotonic())
        new.run("company", "import", folder / "export")
        step.append(time.monotonic())
        waiting = outbox.waiting()
        stop = outbox.start_relay(new.context.engines.redis_url)
        while outbox.last_published == paused_at:
            time.sleep(0.001)
        paused = outbox.last_published - paused_at

        time.sleep(SECONDS_AFTER_MOVE)
        working.close()
        while outbox.waiting():
            time.sleep(0.05)
        stop()
    size = sum(file.stat().st_size for file in (folder / "export").iterdir())
    print(f"export: {step[1] - step[0]:.1f} s, {exported[0]['rows']:,} rows, {size / 1e6:.1f} MB")
    print(f"import: {step[2] - step[1]:.1f} s")
    print(f"publishing was paused for {paused:.1f} s; {waiting:,} events waited in the outbox", flush=True)


def _start_others(stack: BusyStack, working: ExitStack) -> None:
    feed = working.enter_context(PaymentFeed(stack.context.engines.redis_url))
    for other in stack.others:
        _set_up(stack, other.id, other.clinics[0])
        feed.publish_many(other.patients())
        working.callback(FrontDesk(other, feed.publish, OTHERS_A_SECOND).close)


def _wait_for_lines(stack: BusyStack, company: Company) -> None:
    """Wait until a stack has the newest version of every payment of a company."""
    newest = sum(json.loads(body)["version"] for body in company.newest.values())
    deadline = time.monotonic() + IMPORT_SECONDS_MAX
    found: tuple[Any, ...] = ()
    while time.monotonic() < deadline:
        (found,) = stack.query("SELECT count(*), sum(version) FROM lines WHERE company_id = %s", company.id)
        if found == (len(company.newest), newest):
            return
        time.sleep(0.1)
    raise WrongResultError(f"{company.id}: {len(company.newest):,} payments were saved, and {found} are imported")


def _verify(stacks: tuple[BusyStack, BusyStack], company: Company, folder: Path) -> None:
    old, new = stacks
    for stack, companies in ((old, old.others), (new, (*new.others, company))):
        for each in companies:
            _wait_for_lines(stack, each)
        stack.run("wait", "--timeout", IMPORT_SECONDS_MAX)
    lost = doubled = 0
    unexplained = set[str]()
    for stack, companies in ((old, old.others), (new, (*new.others, company))):
        for each in companies:
            lost += len(each.newest.keys() - {row[0] for row in stack.query(_STORED_PAYMENTS_QUERY, each.id)})
            doubled += stack.query(_WRONG_LINES_QUERY, each.id)[0][0]
            unexplained.add(_balance(stack, each, folder))
    after = json.loads((folder / "export" / "manifest.json").read_text())
    doubled += old.query(_NEW_ENTRIES_QUERY, company.id, after["exported_at"])[0][0]
    late = len(old.run("company", "late-events", company.id).splitlines())
    (imported,) = new.query(
        "SELECT count(*), count(*) FILTER (WHERE version > 1) FROM lines WHERE company_id = %s", MOVING
    )
    saved = sum(len(each.newest) for each in (*old.others, *new.others))
    print(f"{imported[0]:,} payments of company {company.id} in the new stack, {imported[1]:,} of them changed")
    print(f"{saved:,} payments of {len(old.others) + len(new.others)} other companies, imported meanwhile")
    print(f"lost {lost}, doubled {doubled}, unexplained {', '.join(sorted(unexplained))}, late events {late}")
    if (lost, doubled, unexplained, late) != (0, 0, {"0.00"}, 0):
        raise WrongResultError("the move was not correct")


def _balance(stack: BusyStack, company: Company, folder: Path) -> str:
    """Compare a company's ledger with its EMR line by line. Return the unexplained amount in dollars, as text."""
    log = folder / f"{company.id}.csv"
    with log.open("w", encoding="utf-8", newline="") as file:
        write_payment_log(company.events(), file)
    arguments = ("--company", company.id, "--emr-csv", log, "--format", "json")
    return str(json.loads(stack.run("report", "balancing", *arguments))["unexplained"])


_STORED_PAYMENTS_QUERY = "SELECT payment_id FROM lines WHERE company_id = %s"
# Lines whose entries are not what Billing says to hold, apart from those that wait for a biller.
_WRONG_LINES_QUERY = (
    "SELECT count(*) FROM lines LEFT JOIN "
    "(SELECT line_ref, sum(amount) AS posted FROM entries GROUP BY line_ref) AS sums ON line_ref = id "
    "WHERE company_id = %s AND application <> 'exception' AND coalesce(posted, 0) <> coalesce(target, 0)"
)
_NEW_ENTRIES_QUERY = "SELECT count(*) FROM entries WHERE company_id = %s AND posted_at > %s::timestamptz"

if __name__ == "__main__":
    main()
