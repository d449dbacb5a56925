"""Compare a saved version with the version that Billing holds (rule D2, rows 1 to 3)."""

from enum import StrEnum
from typing import Protocol

from payments.contract.event import LineEvent
from payments.core.line import Line
from payments.core.outcome import Status


class VersionCheck(StrEnum):
    """The result of comparing an event's version with the version that Billing holds (rule D2, rows 1 to 3)."""

    NEW = "new"
    AGAIN = "again"
    STALE = "stale"
    CONFLICT = "conflict"


class Versioned(Protocol):
    """A patient or charge at a version. Two values are equal if their versions and contents are equal."""

    @property
    def version(self) -> int:
        """The version, which grows with every save."""


def compare_versions(new: Versioned, before: Versioned | None) -> VersionCheck:
    """Compare a saved patient or charge with `before`: the version that Billing holds, or None for a new one."""
    if before is None or new.version > before.version:
        return VersionCheck.NEW
    if new.version < before.version:
        return VersionCheck.STALE
    return VersionCheck.AGAIN if new == before else VersionCheck.CONFLICT


def check_version(event: LineEvent, content_hash: bytes, before: Line | None) -> VersionCheck:
    """Compare an event with the version that Billing holds. If that version is Not Sent, a repetition counts as new.

    `content_hash` is the event's `content_hash`. `before` is the line as Billing holds it, None for a new line.
    """
    if before is None or event.version > before.version:
        return VersionCheck.NEW
    if event.version < before.version:
        return VersionCheck.STALE
    if content_hash != before.content_hash:
        return VersionCheck.CONFLICT
    return VersionCheck.NEW if before.outcome.status is Status.NOT_SENT else VersionCheck.AGAIN
