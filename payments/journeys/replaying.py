"""Record replays of kept entries in the audit history. The import itself is in `payments.journeys.importing`."""

from datetime import datetime

from payments.access import audit
from payments.access.audit import AuditEntry
from payments.store.db.connection import Transaction


def record_start(tx: Transaction, since: datetime, until: datetime | None, now: datetime, who: str) -> None:
    """Record that a user starts to import the entries again that were published from `since` until `until`."""
    end = f" until {until.isoformat()}" if until else ""
    audit.add(tx, AuditEntry(now, who, "started replay", detail=f"since {since.isoformat()}{end}"))


def record_end(tx: Transaction, read: int, changed: int, now: datetime, who: str) -> None:
    """Record how many entries a replay has read, and how many of them changed something."""
    audit.add(tx, AuditEntry(now, who, "ended replay", detail=f"read {read}, changed {changed}"))
