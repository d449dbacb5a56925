"""Leases: a pending entry belongs to the importer that read it until it has been idle for LEASE.

An importer renews the leases of the entries that it is importing, from a thread, so a slow import keeps them. A dead or
frozen process renews nothing. Another process may claim its entries after LEASE.
"""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import redis
import structlog

from config.celery import HARD_LIMIT_SECONDS
from tasks.feed.streams import Streams

log = structlog.get_logger()

LEASE = timedelta(seconds=5)
"""How long a pending entry may be idle before it counts as lost."""
RENEWAL_SECONDS = 1.0
LEASE_MS = LEASE // timedelta(milliseconds=1)
_LOST_SECONDS = LEASE.total_seconds() - RENEWAL_SECONDS
"""A lease that was renewed longer ago is not renewed, because another process may hold the entry soon."""


@dataclass
class _Held:
    """Leased entries, with the times of the first and the latest renewal on the clock of `_now`."""

    streams: Streams
    entry_ids: Sequence[str]
    since: float
    renewed: float


class LeaseRenewal:
    """Renews the leases of one process. Its thread starts with the first lease."""

    def __init__(self) -> None:
        self._held: _Held | None = None
        self._is_holding = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def hold(self, streams: Streams, entry_ids: Sequence[str]) -> Iterator[None]:
        """Renew the leases of these entries until the block ends. They were read or claimed just before."""
        now = _now()
        self._held = _Held(streams, entry_ids, since=now, renewed=now)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="lease-renewal", daemon=True)
            self._thread.start()
        self._is_holding.set()
        try:
            yield
        finally:
            with self._lock:  # waits for a renewal in progress, which would otherwise reset an idle time afterwards
                self._is_holding.clear()
                self._held = None

    def _run(self) -> None:
        while True:
            self._is_holding.wait()
            time.sleep(RENEWAL_SECONDS)
            with self._lock:
                if self._held is not None:
                    _renew(self._held)


def _renew(held: _Held) -> None:
    """Renew leases that are due, unless they are lost or the task has passed its hard time limit."""
    now = _now()
    if now - held.renewed < RENEWAL_SECONDS or now - held.since > HARD_LIMIT_SECONDS:
        return
    if now - held.renewed > _LOST_SECONDS:
        log.warning("leases_lost", entries=len(held.entry_ids), seconds=round(now - held.renewed, 1))
        held.renewed = float("inf")
        return
    try:
        held.streams.renew(held.entry_ids)
        held.renewed = now
    except redis.RedisError as error:  # the next renewal may succeed
        log.info("lease_renewal_failed", entries=len(held.entry_ids), error_class=type(error).__name__)


def _now() -> float:
    """Return the seconds of a clock that also runs while the machine is suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
