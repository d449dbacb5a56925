"""Measure the lower bound of the import time: write the rows of an import as fast as possible, without its rules.

This process does not check for duplicates, older versions, closed months or invalid events. It shows the speed limit of
the servers. `bench.importing` starts this process.
"""

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
import redis

from tasks.resources import connect_redis

GROUP = "billing"
_NO_TARGET = (None,) * 3
_LINE_COLUMNS = (
    "id clinic_id payment_id line_id company_id patient_id version deleted saved_at saved_on content_hash attempts "
    "charge_type amount_due amount_paid paid internal_payment method transaction_date date_of_service case_id "
    "provider_id reference memo refund_of status application target detail waits settled_notes"
)
_ENTRY_COLUMNS = (
    "line_ref version part kind amount company_id clinic_id patient_id charge_type method provider_id date_of_service "
    "reference deposit_date posting_date posted_at entered_by"
)
_HISTORY_COLUMNS = "at what line_ref entry_id version detail who duration_ms"
_DETAIL_TEXT = "{amount_paid} {method} {charge_type} to {transaction_date}. {amount_paid} is posted in Billing"


def main() -> None:
    """Read the events of the stream and insert their rows, until the process is stopped."""
    database_url, redis_url, stream, consumer, chunk = sys.argv[1:]
    with connect_redis(redis_url) as feed, psycopg.connect(database_url, autocommit=True) as database:
        while True:
            found: Any = feed.xreadgroup(GROUP, consumer, {stream: ">"}, count=int(chunk), block=1_000)
            for _, entries in found or ():
                _write_rows(database, [(entry_id.decode(), field_list[1]) for entry_id, field_list in entries])
                _acknowledge(feed, stream, [entry_id for entry_id, _ in entries])


def _write_rows(database: psycopg.Connection, arrived: list[tuple[str, bytes]]) -> None:
    now = datetime.now(UTC)
    with database.transaction(), database.cursor() as cursor:
        reserved = "SELECT nextval('lines_id_seq') FROM generate_series(1, %s)"
        ids = [number for (number,) in cursor.execute(reserved, [len(arrived)])]
        rows = [
            (number, entry_id, hashlib.blake2b(body, digest_size=16).digest(), json.loads(body))
            for number, (entry_id, body) in zip(ids, arrived, strict=True)
        ]
        events = [(said["event_id"], f"{said['saved_at'][:7]}-01", hash_) for _, _, hash_, said in rows]
        _copy(cursor, "events", "event_id saved_month content_hash", events)
        _copy(cursor, "lines", _LINE_COLUMNS, [_line_row(number, hash_, said) for number, _, hash_, said in rows])
        _copy(cursor, "entries", _ENTRY_COLUMNS, [_entry_row(number, said, now) for number, _, _, said in rows])
        _copy(
            cursor,
            "history",
            _HISTORY_COLUMNS,
            [_history_row(number, entry, said, now) for number, entry, _, said in rows],
        )


def _copy(cursor: psycopg.Cursor, table: str, columns: str, rows: Sequence[tuple[object, ...]]) -> None:
    with cursor.copy(f"COPY {table} ({', '.join(columns.split())}) FROM STDIN".encode()) as copy:
        for row in rows:
            copy.write_row(row)


def _acknowledge(feed: redis.Redis, stream: str, entry_ids: list[bytes]) -> None:
    with feed.pipeline(transaction=False) as pipeline:
        pipeline.xack(stream, GROUP, *entry_ids)
        pipeline.xdel(stream, *entry_ids)
        pipeline.execute()


def _line_row(number: int, hash_: bytes, said: dict[str, Any]) -> tuple[object, ...]:
    own = [said[name] for name in _LINE_COLUMNS.split()[12:25]]
    return (
        *(number, said["clinic_id"], said["payment_id"], said["line_id"], said["company_id"], said["patient_id"]),
        *(said["version"], False, said["saved_at"], said["saved_at"][:10], hash_, 1, *own),
        *("Transmission Successful", "imported", said["amount_paid"], "", 0, hash_[:8]),
    )


def _entry_row(number: int, said: dict[str, Any], now: datetime) -> tuple[object, ...]:
    own = [said[name] for name in _ENTRY_COLUMNS.split()[5:13]]
    return (
        *(number, 1, 1, "import", said["amount_paid"], *own, said["transaction_date"], now.date(), now),
        "Integration Import, Not mapped to a user",
    )


def _history_row(number: int, entry_id: str, said: dict[str, Any], now: datetime) -> tuple[object, ...]:
    return (now, "Imported", number, entry_id, 1, _DETAIL_TEXT.format_map(said), f"floor-{os.getpid()}", 1)


if __name__ == "__main__":
    main()
