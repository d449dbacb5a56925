"""Measure memory and time of each report in each format, on a million entries and without planner statistics.

Each command runs in a separate process. *First row* is the time from the start of the process, including Python, until
the first row arrives. *Peak memory* is the resident memory of the process that makes the report, without PostgreSQL.
"""

import argparse
import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import psycopg
from rich.console import Console
from rich.table import Table

from bench import growth
from bench.pages import console_client
from bench.testbed import ROOT, Testbed, start_testbed
from config.database_urls import libpq_url

PAYMENTS, BIG_PATIENT = 1_000_000, 120_000
MEMORY_MB, FIRST_ROW_SECONDS, PATIENCE_SECONDS = 200, 2.0, 300
LEDGER = "bench_reports"
_PROGRAM = "from console.cli.main import main; main()"
_READ_BYTES = 1 << 16
# Lines of a patient with many payments; corrections; money applied to charges; dead letters; exceptions.
_FILLING_STATEMENTS = (
    """
    INSERT INTO lines (clinic_id, payment_id, line_id, company_id, patient_id, version, deleted, saved_at, saved_on,
        content_hash, charge_type, amount_due, amount_paid, paid, internal_payment, method, transaction_date,
        date_of_service, status, application, target, detail, attempts, waits)
    SELECT 'clinic-0', 'big-' || number, '1', 'company-0', 'patient-big', 1, false,
        TIMESTAMPTZ '2026-06-01 12:00+00' + (number % 90) * INTERVAL '1 day', DATE '2026-06-01' + number % 90, '',
        'Copay', 12.00, 12.00, true, false, 'Cash', DATE '2026-06-01' + number % 90, DATE '2026-06-01' + number % 90,
        'Transmission Successful', 'imported', 12.00, '', 1, 0
    FROM generate_series(1, least(:payments, {big})) AS number
    """,
    """
    INSERT INTO entries (line_ref, version, part, kind, amount, company_id, clinic_id, patient_id, charge_type, method,
        date_of_service, deposit_date, posting_date, posted_at, entered_by)
    SELECT id, 1, 1, 'import', amount_paid, company_id, clinic_id, patient_id, charge_type, method, date_of_service,
        transaction_date, transaction_date, now(), 'bench'
    FROM lines WHERE patient_id = 'patient-big' AND :payments > 0
    """,
    """
    INSERT INTO entries (line_ref, version, part, kind, amount, company_id, clinic_id, patient_id, charge_type, method,
        date_of_service, deposit_date, posting_date, posted_at, entered_by)
    SELECT id, 2, 1, 'adjustment', 1.00, company_id, clinic_id, patient_id, charge_type, method, date_of_service,
        transaction_date, transaction_date, now(), 'bench'
    FROM lines WHERE id % 10 = 0 AND :payments > 0
    """,
    """
    INSERT INTO patients (company_id, patient_id, known_at, version) VALUES ('company-0', 'patient-big', now(), 1)
    """,
    """
    INSERT INTO charges (clinic_id, charge_id, company_id, patient_id, version, date_of_service, patient_balance,
        insurance_open)
    SELECT DISTINCT clinic_id, 'charge-' || patient_id, company_id, patient_id, 1, DATE '2026-06-01', 5000.00, false
    FROM lines WHERE :payments > 0
    """,
    """
    INSERT INTO allocations (line_ref, clinic_id, charge_id, company_id, patient_id, amount, rule, distribution_date,
        made_at)
    SELECT id, clinic_id, 'charge-' || patient_id, company_id, patient_id, 5.00, 'same_date', transaction_date, now()
    FROM lines WHERE id % 2 = 0 AND :payments > 0
    """,
    """
    INSERT INTO findings (company_id, line_ref, version, reason_code, amount_before, amount_now, proposal, note,
        status, opened_at)
    SELECT company_id, id, 2, 'zero_due', 0.00, 12.00, '[]', '', 'resolved', now()
    FROM lines WHERE id % 2 = 0 AND :payments > 0
    """,
    """
    INSERT INTO set_aside (body, body_hash, entry_id, status, reason, error, received_at, attempts, company_id,
        clinic_id, payment_id, line_id, patient_id, version, saved_at, saved_on, amount_paid, transaction_date)
    SELECT '', decode(md5(id::text), 'hex'), '0-0', 'Validation Failed', 'invalid_event', 'method: unknown', now(), 1,
        company_id, CASE WHEN id % 700 > 0 THEN clinic_id END, payment_id, line_id, patient_id, 2, saved_at, saved_on,
        amount_paid, transaction_date
    FROM lines WHERE id % 100 = 0 AND :payments > 0
    """,
)


class Measurement(NamedTuple):
    """The result of one report: seconds to the first row and to the end, peak memory in MB, and the report's bytes."""

    first_row: float
    total: float
    memory_mb: float
    size: int

    @property
    def is_within_limits(self) -> bool:
        """Whether the peak memory is within the limit."""
        return self.memory_mb <= MEMORY_MB


def commands() -> dict[str, str]:
    """Return the arguments of each measured command, by name."""
    listed = {
        "Claims Feed": "report claims-feed",
        "Claims Feed, Not Sent": "report claims-feed --status validation-failed",
        "Payment Log": "report payment-log",
        "Payment Log of a patient": "report payment-log --patient patient-big",
        "Payment Log, expanded": "report payment-log --expand",
        "Payment Log by method": "report payment-log --group-by method",
        "Payment Log by deposit date": "report payment-log --group-by deposit_date",
        "Billing Exceptions": "report exceptions --status all",
        "account": "report account patient-big",
        "balancing, every line": "report balancing --lines",
        "months": "months list --company company-0",
        "timeline": "timeline clinic-0/stored-0/1",
    }
    return {
        f"{name}: {form}": f"{line} --format {form}"
        for name, line in listed.items()
        for form in ("csv", "json", "table")
    }


def main() -> int:
    """Run the measurements and print the table. Return 1 if a report exceeds the memory limit, otherwise 0."""
    asked = argparse.ArgumentParser(prog="python -m bench.reports", description=__doc__)
    asked.add_argument("--payments", type=int, default=PAYMENTS)
    asked.add_argument("--analyzed", action="store_true", help="analyze the ledger first")
    asked.add_argument("--only", default="", help="only reports whose name contains this text")
    chosen = asked.parse_args()
    console = Console(width=120)
    with start_testbed() as testbed, ledger(testbed, chosen.payments, is_analyzed=chosen.analyzed) as url:
        found = {}
        for name, line in commands().items():
            if chosen.only in name:
                console.print(f"{name} ...", end=" ")
                found[name] = run(url, line)
                console.print(f"first row {found[name].first_row:.2f} s, all rows {found[name].total:.1f} s")
        if chosen.only in "console":
            found |= console_exports(testbed)
    table = Table(title=f"Reports over {chosen.payments:,} payments", title_justify="left")
    for heading in ("", "first row, s", "all rows, s", "peak memory, MB", "size, MB"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, each in found.items():
        figures = (f"{each.first_row:.2f}", f"{each.total:.1f}", f"{each.memory_mb:.0f}", f"{each.size / 1e6:.1f}")
        table.add_row(name, *figures)
    console.print(table)
    return int(not all(each.is_within_limits for each in found.values()))


@contextlib.contextmanager
def ledger(testbed: Testbed, payments: int, *, is_analyzed: bool) -> Iterator[str]:
    """Fill a ledger with bulk statements, and yield its database URL. Unless `is_analyzed`, autovacuum is off."""
    fill = [statement.replace("{big}", str(BIG_PATIENT)) for statement in _FILLING_STATEMENTS]
    with psycopg.connect(libpq_url(testbed.server_url), autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET autovacuum = {'on' if is_analyzed else 'off'}")
        connection.execute("SELECT pg_reload_conf()")
    growth.create_ledger(testbed, LEDGER, payments, *fill, analyze=is_analyzed)
    growth.use_ledger(testbed, LEDGER)
    yield testbed.engines.database_url
    growth.drop_ledgers(testbed, LEDGER)


def run(database_url: str, line: str) -> Measurement:
    """Run a report command, and return the measurement. Kill the command when its time is over."""
    env = os.environ | {"DATABASE_URL": database_url, "REDIS_URL": "redis://127.0.0.1:1/0", "COLUMNS": "200"}
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *line.split()], stdout=subprocess.PIPE, env=env, cwd=ROOT
    )
    assert process.stdout
    patience = threading.Timer(PATIENCE_SECONDS, process.kill)
    patience.start()
    output, first, size, lines = process.stdout.fileno(), 0.0, 0, 0
    while chunk := os.read(output, _READ_BYTES):
        size, lines = size + len(chunk), lines + chunk.count(b"\n")
        # The first line is the header of a CSV file, or the bracket of an array.
        first = first or (time.perf_counter() - started if lines > 1 else 0.0)
    patience.cancel()
    with psycopg.connect(libpq_url(database_url), autocommit=True) as connection:
        # The query continues after its client was killed.
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'payments console'"
        )
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return Measurement(first, time.perf_counter() - started, usage.ru_maxrss / 1024, size)


def console_exports(testbed: Testbed) -> dict[str, Measurement]:
    """Measure the console's export of the Payment Log in each file format."""
    found = {}
    for form in ("csv", "xlsx"):
        with console_client(testbed) as (client, pid):
            found[f"console export, {form}"] = _export(client, pid, form)
    return found


def _export(client: httpx.Client, pid: int, form: str) -> Measurement:
    started, first, size = time.perf_counter(), 0.0, 0
    with client.stream("GET", "/payment-log/export", params={"form": form}, timeout=PATIENCE_SECONDS) as answer:
        answer.raise_for_status()
        for chunk in answer.iter_raw():
            first, size = first or time.perf_counter() - started, size + len(chunk)
    return Measurement(first, time.perf_counter() - started, _peak_mb(pid), size)


def _peak_mb(pid: int) -> float:
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert peak
    return int(peak[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
