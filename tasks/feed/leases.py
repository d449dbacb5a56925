"""Leases: a pending entry belongs to the importer that read it until it has been idle for LEASE.

A thread of the importer renews the leases of the entries that are being imported, so a slow import keeps its entries. A
dead or frozen process renews nothing, and another process may claim its entries after LEASE.
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
"""A pending entry that has been idle for longer counts as lost."""
LEASE_MS = LEASE // timedelta(milliseconds=1)
RENEWAL_SECONDS = 1
_LOST_MS = LEASE_MS - 1_000 * RENEWAL_SECONDS
"""A lease that was last renewed longer ago is not renewed, because another process can claim its entry now."""


@dataclass
class _HeldLeases:
    """Leased entries, and the times at which they were claimed and last renewed.

    The times are in milliseconds of the clock of `_now_ms`. `renewed_ms` is None once the leases are lost.
    """

    streams: Streams
    entry_ids: Sequence[str]
    since_ms: int
    renewed_ms: int | None


class LeaseRenewal:
    """Renews the leases of one process, in a thread that starts with the first lease."""

    def __init__(self) -> None:
        self._held: _HeldLeases | None = None
        self._is_holding = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def hold(self, streams: Streams, entry_ids: Sequence[str]) -> Iterator[None]:
        """Renew the leases of these entries until the block ends.

        The caller must just have read or claimed the entries.
        """
        now_ms = _now_ms()
        self._held = _HeldLeases(streams, entry_ids, since_ms=now_ms, renewed_ms=now_ms)
        if self._thread is None:
            self._thread = threading.Thread(target=self._renew_repeatedly, name="lease-renewal", daemon=True)
            self._thread.start()
        self._is_holding.set()
        try:
            yield
        finally:
            with self._lock:  # waits for a renewal in progress, which would otherwise reset an idle time afterwards
                self._is_holding.clear()
                self._held = None

    def _renew_repeatedly(self) -> None:
        while True:
            self._is_holding.wait()
            time.sleep(RENEWAL_SECONDS)
            with self._lock:
                if self._held is not None:
                    _renew(self._held)


def _renew(held: _HeldLeases) -> None:
    """Renew leases if they are due.

    Do not renew lost leases, or leases of a task that has passed its hard time limit.
    """
    now_ms = _now_ms()
    if held.renewed_ms is None or now_ms - held.since_ms > 1_000 * HARD_LIMIT_SECONDS:
        return
    pause_ms = now_ms - held.renewed_ms
    if pause_ms > _LOST_MS:
        log.warning("leases_lost", entries=len(held.entry_ids), pause_ms=pause_ms)
        held.renewed_ms = None
    elif pause_ms >= 1_000 * RENEWAL_SECONDS:
        try:
            held.streams.renew(held.entry_ids)
            held.renewed_ms = now_ms
        except redis.RedisError as error:  # the next renewal may succeed
            log.info("lease_renewal_failed", entries=len(held.entry_ids), error_class=type(error).__name__)


def _now_ms() -> int:
    """Return the time in milliseconds of a clock that also runs while the machine is suspended."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1_000_000
