"""Measure how monthly partitions slow down queries for one account: `python -m bench.partitioning [MONTHS]`.

The same rows are stored in one table and in monthly partitions. The same queries run alternately on both.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from config.database_urls import libpq_url
from devstack.engines import embedded_postgres

ROWS, PATIENTS, LINES_A_MONTH = 900_000, 90_000, 10**9
ROUNDS, TURNS = 15, 3
_COLUMN_DEFINITIONS = (
    "id bigint GENERATED ALWAYS AS IDENTITY, line_ref bigint NOT NULL, version bigint, part int, kind text, "
    "amount numeric(12,2), company_id text, patient_id text, clinic_id text, deposit_date date"
)
_QUERY_BY_NAME: dict[str, Callable[[int], tuple[str, list[object]]]] = {
    "one account": lambda turn: (
        "SELECT sum(amount) FROM {} WHERE company_id = %s AND patient_id = %s",
        ["company-1", f"patient-{turn * 977 % PATIENTS}"],
    ),
    "500 accounts": lambda turn: (
        "SELECT patient_id, sum(amount) FROM {} JOIN unnest(%s::text[]) AS t(patient_id) USING (patient_id) GROUP BY 1",
        [[f"patient-{(turn * 500 + number) * 13 % PATIENTS}" for number in range(500)]],
    ),
    "a clinic's month": lambda turn: (
        "SELECT sum(amount) FROM {} WHERE clinic_id = %s AND deposit_date BETWEEN '2024-06-01' AND '2024-06-30'",
        [f"clinic-{turn}"],
    ),
}


def main() -> None:
    """Fill both tables, run the queries, and print the medians in milliseconds."""
    asked = argparse.ArgumentParser(prog="python -m bench.partitioning", description=__doc__)
    asked.add_argument("months", type=int, nargs="?", default=36)
    months = asked.parse_args().months
    with (
        tempfile.TemporaryDirectory(prefix="pay-bench-") as home,
        embedded_postgres(Path(home)) as url,
        psycopg.connect(libpq_url(url), autocommit=True) as connection,
    ):
        for table in ("whole", "divided"):
            _fill_table(connection, table, months)
        print(f"{ROWS:,} rows of {PATIENTS:,} patients, {months} months; medians of {TURNS} turns, milliseconds")
        for name in _QUERY_BY_NAME:
            found = [
                (_median_query_ms(connection, "whole", name), _median_query_ms(connection, "divided", name))
                for _ in range(TURNS)
            ]
            whole, divided = (statistics.median(each) for each in zip(*found, strict=True))
            print(f"{name:18} whole {whole:8.2f}   divided {divided:8.2f}   {divided / whole:5.1f} times", flush=True)


def _fill_table(connection: psycopg.Connection, table: str, months: int) -> None:
    divided = table == "divided"
    end = "PARTITION BY RANGE (line_ref)" if divided else ""
    connection.execute(f"CREATE TABLE {table} ({_COLUMN_DEFINITIONS}, UNIQUE (line_ref, version, kind, part)) {end}")
    for month in range(months if divided else 0):
        bounds = f"FROM ({month * LINES_A_MONTH}) TO ({(month + 1) * LINES_A_MONTH})"
        connection.execute(f"CREATE TABLE divided_{month} PARTITION OF divided FOR VALUES {bounds}")
    connection.execute(f"CREATE INDEX {table}_by_patient ON {table} (patient_id, company_id)")
    connection.execute(f"CREATE INDEX {table}_by_day ON {table} (clinic_id, deposit_date)")
    connection.execute(
        f"INSERT INTO {table} (line_ref, version, part, kind, amount, company_id, patient_id, clinic_id, deposit_date) "
        f"SELECT (n %% {months})::bigint * {LINES_A_MONTH} + n, 1, 1, 'import', 10, 'company-1', "
        f"'patient-' || n::bigint * 7919 %% {PATIENTS}, 'clinic-' || n / 7 %% 50, "
        f"date '2023-01-01' + n %% {months} * 30 + n / {months} %% 28 FROM generate_series(1, %s) AS n",
        [ROWS],
    )
    connection.execute(f"VACUUM ANALYZE {table}")


def _median_query_ms(connection: psycopg.Connection, table: str, name: str) -> float:
    took = []
    for turn in range(ROUNDS):
        statement, parameters = _QUERY_BY_NAME[name](turn)
        begun = time.perf_counter()
        connection.execute(statement.format(table), parameters).fetchall()
        took.append((time.perf_counter() - begun) * 1_000)
    return statistics.median(took)


if __name__ == "__main__":
    main()
