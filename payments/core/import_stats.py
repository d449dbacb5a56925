"""The context of an import run, and its statistics."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from payments.contract.signature import NO_KEYS, Keyring
from payments.core.backoff import BackoffSchedule
from payments.core.outcome import (
    ClosedMonth,
    Held,
    NeverSent,
    NothingToPost,
    NotSent,
    Outcome,
    Posted,
    Removed,
    ZeroDue,
)
from payments.core.timezone import DEFAULT_TIMEZONE


@dataclass(frozen=True, slots=True)
class RunContext:
    """The moment and the worker of an import run, with its retry schedules.

    - `elapsed_ms`: a function that returns the milliseconds since the run started.
    - `patient_schedule`: the delays while a patient is unknown; if it is None, `backoff_schedule` applies.
    - `keyring`: the keys that verify event signatures.
    - `default_timezone`: the IANA name of the time zone of new companies.
    - `creates_unknown`: whether an event of an unknown company or clinic creates it. Otherwise the event is Not Sent.
    - `is_replay`: whether the run imports acknowledged entries again. The history then does not record that Billing
      already had an event.
    - `task_id`: the id of the Celery task, empty outside a task.
    """

    now: datetime
    worker: str
    backoff_schedule: BackoffSchedule
    elapsed_ms: Callable[[], int]
    patient_schedule: BackoffSchedule | None = None
    keyring: Keyring = NO_KEYS
    default_timezone: str = DEFAULT_TIMEZONE
    creates_unknown: bool = True
    is_replay: bool = False
    task_id: str = ""


@dataclass(slots=True)
class ImportStats:
    """The counts of an import run. `str()` returns the line that operators read.

    - `evaluated`: all evaluated payments; `failed`: payments that stay pending after an error.
    - `refused`: events stored as dead letters; `unchanged`: events and evaluations without effect.
    - `released`: held lines that became due because their patient was saved; `noted`: saved patients and charges.
    - `changed`: events and evaluations that changed a line, a patient, a charge or a dead letter.
    - `to_examine`: lines whose exceptions may have changed.
    - `to_distribute`: accounts whose money is distributed immediately.
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
    changed: int = 0
    to_examine: int = 0
    to_distribute: int = 0

    def count(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self.evaluated += 1
        match outcome:
            case Posted(is_update=False):
                self.imported += 1
            case Posted():
                self.updated += 1
            case Removed():
                self.removed += 1
            case Held():
                self.held += 1
            case ClosedMonth() | ZeroDue():
                self.exceptions += 1
            case NotSent():
                self.not_sent += 1
            case NothingToPost() | NeverSent():
                self.unchanged += 1
            case _:
                assert_never(outcome)

    def __add__(self, other: "ImportStats") -> "ImportStats":
        return ImportStats(**{name: getattr(self, name) + getattr(other, name) for name in self.__slots__})

    def __str__(self) -> str:
        always = f"imported {self.imported:,}, updated {self.updated:,}, held {self.held:,}, not sent {self.not_sent:,}"
        words = {name: name for name in ("exceptions", "refused", "removed", "unchanged", "failed")}
        words |= {"noted": "patients and charges noted", "released": "released"}
        more = (f", {word} {getattr(self, name):,}" for name, word in words.items() if getattr(self, name))
        return always + "".join(more)
