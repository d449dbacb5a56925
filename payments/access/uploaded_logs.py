"""Payment Logs of the EMR that users uploaded. Only the user who uploaded a log may read it, for one day."""

from datetime import datetime, timedelta
from typing import NamedTuple

from payments.store.db.connection import Transaction
from payments.store.db.statement import text

UPLOADED_LOG_RETENTION = timedelta(days=1)
LOGS_PER_USER_MAX = 5
"""The number of files that are kept for each user. Older files are deleted when the user uploads another one."""


class UploadedLog(NamedTuple):
    """A Payment Log as it was uploaded."""

    id: int
    file_name: str
    body: bytes
    uploaded_at: datetime


def add(tx: Transaction, user_name: str, file_name: str, body: bytes, now: datetime) -> int:
    """Store a user's file, and return its id.

    Delete expired files, and the user's oldest files beyond LOGS_PER_USER_MAX.
    """
    added = tx.execute(
        text(
            "INSERT INTO uploaded_logs (user_name, file_name, body, uploaded_at) "
            "VALUES (:user_name, :file_name, :body, :now) RETURNING id"
        ),
        {"user_name": user_name, "file_name": file_name, "body": body, "now": now},
    )
    log_id = int(added.scalar_one())
    tx.execute(
        text(
            "DELETE FROM uploaded_logs WHERE user_name = :user_name AND id < (SELECT min(id) FROM (SELECT id "
            "FROM uploaded_logs WHERE user_name = :user_name ORDER BY id DESC LIMIT :most) AS newest)"
        ),
        {"user_name": user_name, "most": LOGS_PER_USER_MAX},
    )
    delete_expired(tx, now)
    return log_id


def load(tx: Transaction, user_name: str, log_id: int, now: datetime) -> UploadedLog | None:
    """Return a user's file, or None if the user has no file with this id, or if the file has expired."""
    found = tx.execute(
        text(
            "SELECT id, file_name, body, uploaded_at FROM uploaded_logs "
            "WHERE id = :log_id AND user_name = :user_name AND uploaded_at > :since"
        ),
        {"log_id": log_id, "user_name": user_name, "since": now - UPLOADED_LOG_RETENTION},
    ).one_or_none()
    return UploadedLog._make(found) if found else None


def remove(tx: Transaction, user_name: str, log_id: int) -> None:
    """Delete a user's file."""
    query = "DELETE FROM uploaded_logs WHERE id = :log_id AND user_name = :user_name"
    tx.execute(text(query), {"log_id": log_id, "user_name": user_name})


def delete_expired(tx: Transaction, now: datetime) -> int:
    """Delete the expired files that row-level security shows to the transaction. Return their number."""
    query = "DELETE FROM uploaded_logs WHERE uploaded_at <= :until"
    return tx.execute(text(query), {"until": now - UPLOADED_LOG_RETENTION}).rowcount
