"""Record replays of kept entries in the audit history. The import itself is in `payments.journeys.importing`."""

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
    """Record the number of entries that a replay has read, and the number of entries that changed something."""
    audit.add(tx, AuditEntry(now, who, "ended replay", detail=f"read {read}, changed {changed}"))
