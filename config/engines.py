"""The URLs of PostgreSQL, the feed and the broker. They come from the settings, or from a running `payments up`."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from config.processes import is_running
from config.redis_urls import default_broker_url
from config.settings import Settings


class NotRunningError(Exception):
    """A URL of PostgreSQL or Redis is not set, and no stack is running in this PAYMENTS_HOME."""

    def __init__(self, home: Path) -> None:
        self.home = home
        super().__init__(
            f"nothing is running in {home}; start it with `payments up`, or set DATABASE_URL and REDIS_URL"
        )


class UnreachableEngineError(Exception):
    """PostgreSQL or Redis does not answer at present. The message is one line and names the setting."""


@dataclass(frozen=True)
class Engines:
    """URLs of the three servers that every process needs: the database, the feed and the Celery broker."""

    # The URLs may contain passwords, and a repr may be logged.
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    broker_url: str = field(repr=False)

    @classmethod
    def from_urls(cls, database_url: str, redis_url: str, broker_url: str | None = None) -> Self:
        """Return Engines with these URLs.

        Without `broker_url`, the broker is the Redis database whose number follows the feed's database number.
        """
        return cls(database_url, redis_url, broker_url or default_broker_url(redis_url))

    def environment(self) -> dict[str, str]:
        """Return environment variables that pass these URLs to a child process.

        CELERY_BROKER_URL is empty if the broker URL is derived from REDIS_URL. So the child's errors name REDIS_URL.
        """
        is_derived = self.broker_url == default_broker_url(self.redis_url)
        return {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "CELERY_BROKER_URL": "" if is_derived else self.broker_url,
        }


@dataclass(frozen=True)
class StackFile:
    """The content of `run/stack.json`. Commands with the same PAYMENTS_HOME read it to find a running stack."""

    supervisor_pid: int
    engines: Engines
    flower_url: str
    console_url: str
    log_folder: str


def current_engines(settings: Settings) -> Engines:
    """Return the URLs of the servers. A URL that is not set is taken from the running stack.

    Raises NotRunningError if a URL is not set and no stack is running in this PAYMENTS_HOME.
    """
    database_url, redis_url = settings.database_url, settings.redis_url
    broker_url = settings.celery_broker_url
    if database_url is None or redis_url is None:
        running = running_stack(settings.home)
        if running is None:
            raise NotRunningError(settings.home)
        # The stack's broker belongs to the stack's feed. A feed that the settings name has its own broker.
        broker_url = broker_url or (running.engines.broker_url if redis_url is None else None)
        database_url = database_url or running.engines.database_url
        redis_url = redis_url or running.engines.redis_url
    return Engines.from_urls(database_url, redis_url, broker_url)


def running_stack(home: Path) -> StackFile | None:
    """Return the content of the stack file in this directory.

    Returns None if there is no file, or if the supervisor of the stack is not running.
    """
    try:
        content = json.loads(_stack_file_path(home).read_text())
        stack = StackFile(**content | {"engines": Engines(**content["engines"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return stack if is_running(stack.supervisor_pid) else None


def write_running_stack(home: Path, stack: StackFile) -> None:
    """Write the stack file atomically. Only the file's owner can read it, because the URLs contain passwords."""
    path = _stack_file_path(home)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(stack), file, indent=2)
    temporary.replace(path)


def remove_running_stack(home: Path) -> None:
    """Remove the stack file after the stack has stopped."""
    _stack_file_path(home).unlink(missing_ok=True)


def _stack_file_path(home: Path) -> Path:
    return home / "run" / "stack.json"
