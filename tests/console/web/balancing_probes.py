"""Requests for another company's balances, and for the files that its users have uploaded."""

from datetime import UTC, datetime
from typing import Any

from payments.access import uploaded_logs
from payments.store.db.connection import Database, transaction

RequestFields = list[dict[str, Any]]
LOG_ID = 1


def add_log(database: Database, user_name: str) -> None:
    """Store an uploaded file of a user. It must be the first file of the installation, so that its id is LOG_ID."""
    with transaction(database) as tx:
        log_id = uploaded_logs.add(tx, user_name, "beta-log.csv", b"beta-unreadable", datetime.now(UTC))
    assert log_id == LOG_ID


def balancing_probes(reports: RequestFields, foreign_clinic: str) -> dict[str, RequestFields]:
    """Return requests for balances, for their lines, and for the file of `add_log`."""
    uploaded = [{"log_id": LOG_ID}]
    with_file = [{**each, "log": LOG_ID} for each in reports]
    return {
        "GET /balancing": [*reports, *with_file],
        "GET /balancing/export": [*reports, *with_file],
        "GET /api/balancing": reports,
        "GET /api/balancing/lines": reports,
        "POST /api/balancing": [{"clinic": foreign_clinic}],
        "POST /balancing/emr-logs": [{"file": ""}],
        "GET /balancing/emr-logs/{log_id}": uploaded,
        "POST /balancing/emr-logs/{log_id}/delete": uploaded,
    }
