"""One run of a worker over a set of payments, and what came of it in numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from payments.contract.signature import NO_KEYS, Keyring
from payments.core.backoff import BackoffSchedule
from payments.core.outcome import Application, Outcome, Status


@dataclass(frozen=True, slots=True)
class RunContext:
    """When a set is processed, by which worker, with which pauses; `elapsed_ms` tells how long it took.

    `patient_schedule` are the pauses of a payment whose patient is not known; without, they are those of a fault.
    `keyring` are the keys that events are signed with.
    """

    now: datetime
    worker: str
    backoff_schedule: BackoffSchedule
    elapsed_ms: Callable[[], int]
    patient_schedule: BackoffSchedule | None = None
    keyring: Keyring = NO_KEYS


@dataclass(slots=True)
class ImportStats:
    """How many payments ended in which way; prints as the one line that operators read.

    `evaluated` counts all that was looked at, whatever came of it, `failed` what stays pending because of an error, and
    `to_examine` the lines whose exceptions may have changed, and `to_distribute` the accounts whose money may not wait.
    """

    imported: int = 0
    updated: int = 0
    removed: int = 0
    held: int = 0
    not_sent: int = 0
    exceptions: int = 0
    refused: int = 0
    unchanged: int = 0
    released: int = 0
    noted: int = 0
    failed: int = 0
    evaluated: int = 0
    to_examine: int = 0
    to_distribute: int = 0

    def count(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self.evaluated += 1
        match outcome.application:
            case Application.IMPORTED:
                self.imported += 1
            case Application.UPDATED:
                self.updated += 1
            case Application.REMOVED:
                self.removed += 1
            case Application.HELD:
                self.held += 1
            case Application.EXCEPTION:
                self.exceptions += 1
            case Application.NONE if outcome.status is Status.NOT_SENT:
                self.not_sent += 1
            case Application.NONE:
                self.unchanged += 1
            case _:
                assert_never(outcome.application)

    def __add__(self, other: "ImportStats") -> "ImportStats":
        return ImportStats(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    def __str__(self) -> str:
        always = f"imported {self.imported:,}, updated {self.updated:,}, held {self.held:,}, not sent {self.not_sent:,}"
        words = {name: name for name in ("exceptions", "refused", "removed", "unchanged", "failed")}
        words |= {"noted": "patients and charges noted", "released": "released"}
        more = (f", {word} {getattr(self, name):,}" for name, word in words.items() if getattr(self, name))
        return always + "".join(more)
