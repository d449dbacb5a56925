"""Where the engines of this installation are: named by URL, or written down by a running `payments up`."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from config.settings import Settings
from config.urls import broker_after


class NotRunningError(Exception):
    """Nothing is running in this home, and no URLs name engines elsewhere."""

    def __init__(self, home: Path) -> None:
        self.home = home
        super().__init__(
            f"nothing is running in {home}; start it with `payments up`, or set DATABASE_URL and REDIS_URL"
        )


@dataclass(frozen=True)
class Engines:
    """The three addresses that every process needs: the ledger, the feed and the Celery broker."""

    # They may hold passwords, and a repr ends in logs.
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    broker_url: str = field(repr=False)

    @classmethod
    def named(cls, database_url: str, redis_url: str, broker_url: str | None = None) -> Self:
        """Build the three from two: the broker lies in the database after the feed's unless it is named."""
        return cls(database_url, redis_url, broker_url or broker_after(redis_url))

    def environment(self) -> dict[str, str]:
        """Return the variables that hand these engines to a child process."""
        return {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "CELERY_BROKER_URL": self.broker_url,
        }


@dataclass(frozen=True)
class RunningStack:
    """What a running `payments up` writes down for the other commands of the same home."""

    supervisor_pid: int
    engines: Engines
    flower_url: str
    console_url: str
    log_folder: str


def engines_in_force(settings: Settings) -> Engines:
    """Return the engines named by URL; those that are not named come from the stack that runs in this home."""
    database_url, redis_url = settings.database_url, settings.redis_url
    broker_url = settings.celery_broker_url
    if database_url is None or redis_url is None:
        running = running_stack(settings.home)
        if running is None:
            raise NotRunningError(settings.home)
        # The stack's broker goes with the stack's feed; a feed named here brings its own.
        broker_url = broker_url or (running.engines.broker_url if redis_url is None else None)
        database_url = database_url or running.engines.database_url
        redis_url = redis_url or running.engines.redis_url
    return Engines.named(database_url, redis_url, broker_url)


def running_stack(home: Path) -> RunningStack | None:
    """Return what the stack of this home wrote down, if its supervisor still lives."""
    try:
        written = json.loads(_stack_file(home).read_text())
        stack = RunningStack(**written | {"engines": Engines(**written["engines"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return stack if _lives(stack.supervisor_pid) else None


def write_running_stack(home: Path, stack: RunningStack) -> None:
    """Write the stack down in one step, readable by its owner alone: the URLs hold passwords."""
    path = _stack_file(home)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(stack), file, indent=2)
    beside.replace(path)


def forget_running_stack(home: Path) -> None:
    """Remove what was written down, once the stack is stopped."""
    _stack_file(home).unlink(missing_ok=True)


def _stack_file(home: Path) -> Path:
    return home / "run" / "stack.json"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
