"""Record replays of stream entries in the audit history. `payments.journeys.importing` imports the entries."""

from datetime import datetime

from payments.access import audit
from payments.access.audit import AuditEntry
from payments.store.db.connection import Transaction


def record_start(tx: Transaction, since: datetime, until: datetime | None, now: datetime, who: str) -> None:
    """Record that a user starts a replay of the entries that were published from `since` until `until`.

    `until` is None for all later entries.
    """
    end = f" until {until.isoformat()}" if until else ""
    audit.add(tx, AuditEntry(now, who, "started replay", detail=f"since {since.isoformat()}{end}"))


def record_end(tx: Transaction, read: int, changed: int, now: datetime, who: str) -> None:
    """Record the end of a replay: the number of entries that it read, and how many of them changed data."""
    audit.add(tx, AuditEntry(now, who, "ended replay", detail=f"read {read}, changed {changed}"))
