"""Delete kept entries from the streams: acknowledged entries that are older than PAYMENTS_KEEP_ENTRIES.

Pending and undelivered entries are never deleted. XTRIM deletes the expired entries before the oldest of these entries.
If an entry has been pending for longer than PAYMENTS_KEEP_ENTRIES, the expired entries after it are deleted by XDEL.

The age of an entry is the time in its id. If ids are not times of the Redis server, no entries are kept. If the memory
of Redis is nearly full, entries are deleted before they expire, oldest first.
"""

from datetime import timedelta
from typing import Any, NamedTuple, cast

import structlog
from redis.exceptions import NoPermissionError

from tasks.feed.clocks import monotonic_ms
from tasks.feed.deleted_entries import count_trimmed_early
from tasks.feed.pending import pending_ids_among
from tasks.feed.streams import Streams
from tasks.feed.waiting import StreamState, entries_between, oldest_waiting_id, parse_id, read_states

log = structlog.get_logger()

TRIM_MS, LEFTOVER_MS, PRESSED_MS = 5_000, 60_000, 1_000
"""The times between two runs: if entries are kept, if none are kept, and if the memory of Redis is short."""
SHORT_PERCENT, FULL_PERCENT = 70, 85
"""Above SHORT_PERCENT of `maxmemory`, the oldest kept entries are deleted early; above FULL_PERCENT, all of them."""
_EARLY_DIVISOR = 5
_CLOCK_TOLERANCE_MS = timedelta(days=1) // timedelta(milliseconds=1)
_CALLS_MAX, _PAGE, _PAGES_MAX = 50, 500, 20
_EntryId = tuple[int, int]


class Memory(NamedTuple):
    """The memory that Redis uses, and its limit `maxmemory`, in bytes. A limit of 0 means that there is none."""

    used: int
    limit: int

    @property
    def is_short(self) -> bool:
        """Whether kept entries must be deleted before they expire."""
        return bool(self.limit) and 100 * self.used > SHORT_PERCENT * self.limit

    @property
    def is_nearly_full(self) -> bool:
        """Whether all kept entries must be deleted, because the EMR will soon be unable to publish."""
        return bool(self.limit) and 100 * self.used > FULL_PERCENT * self.limit


class Trimming:
    """Deletes the kept entries of one feed. Several processes may trim the same feed simultaneously."""

    def __init__(self, streams: Streams, keep: timedelta) -> None:
        self._streams, self._client = streams, streams.client
        self._keep_ms = keep // timedelta(milliseconds=1)
        self._next_ms = 0
        self._passed: dict[str, _EntryId] = {}

    def trim_if_due(self) -> None:
        """Delete the expired entries, unless the previous run was shortly before. Raises RedisError."""
        if monotonic_ms() >= self._next_ms:
            # Also set if the run fails, so that a failure does not keep the caller from its other work.
            self._next_ms = monotonic_ms() + (TRIM_MS if self._keep_ms else LEFTOVER_MS)
            if self.trim(self._read_memory()):
                self._next_ms = monotonic_ms() + PRESSED_MS

    def trim(self, memory: Memory) -> bool:
        """Delete the expired entries. Return whether the memory is short. Raises RedisError.

        If the setting no longer keeps entries, also delete those that it kept before.
        """
        now_ms = self._streams.server_time_ms()
        names = self._streams.all_names()
        early = sum(
            self._trim_stream(name, state, now_ms, memory)
            for name, state in zip(names, read_states(self._client, names), strict=True)
        )
        if early:
            log.warning("kept_entries_trimmed_early", entries=early, used_bytes=memory.used, limit_bytes=memory.limit)
            count_trimmed_early(self._client, early)
        return memory.is_short

    def _trim_stream(self, name: str, state: StreamState, now_ms: int, memory: Memory) -> int:
        """Delete kept entries of one stream. Return the number of entries that were deleted before they expired."""
        first_id = self._first_id(name) if state.may_hold_kept else None
        if first_id is None:
            return 0
        self._delete_before(name, state, self._expiry_bound(first_id, now_ms))
        first_id = self._first_id(name) if memory.is_short else None
        return 0 if first_id is None else self._delete_before(name, state, _early_trim_bound(first_id, now_ms, memory))

    def _expiry_bound(self, first_id: _EntryId, now_ms: int) -> _EntryId:
        """Return the id below which acknowledged entries have expired. `first_id` is the first id on the stream."""
        is_foreign = first_id[0] > now_ms + _CLOCK_TOLERANCE_MS
        return _AFTER_LAST_ID if is_foreign or not self._keep_ms else (max(0, now_ms - self._keep_ms), 0)

    def _delete_before(self, name: str, state: StreamState, ends_at: _EntryId) -> int:
        """Delete acknowledged entries with an id below `ends_at`. Return the number of deleted entries.

        Unless `ends_at` is _AFTER_LAST_ID, up to one node of the stream may remain. If there are very many entries, the
        next runs delete the rest.
        """
        oldest = oldest_waiting_id(self._client, name, state)
        after_delivered = _next_id(parse_id(state.last_delivered_id))
        waits_from = parse_id(oldest) if oldest else after_delivered
        deleted = self._xtrim(name, min(ends_at, waits_from), exactly=ends_at == _AFTER_LAST_ID)
        if waits_from < min(ends_at, after_delivered):
            deleted += self._delete_between_pending(name, waits_from, min(ends_at, after_delivered))
        return deleted

    def _xtrim(self, name: str, minid: _EntryId, *, exactly: bool) -> int:
        """Delete the entries with an id below `minid`. Return the number of deleted entries.

        If `exactly` is False, up to one node of the stream may remain, because Redis then deletes whole nodes only.
        """
        deleted = 0
        for _ in range(_CALLS_MAX):
            # An approximate XTRIM deletes up to 10,000 entries, so that other clients do not wait.
            count = int(self._client.xtrim(name, minid=_id_text(minid), approximate=True))
            deleted += count
            if not count:
                return deleted + (
                    int(self._client.xtrim(name, minid=_id_text(minid), approximate=False)) if exactly else 0
                )
        return deleted

    def _delete_between_pending(self, name: str, first: _EntryId, end: _EntryId) -> int:
        """Delete the acknowledged entries from `first` until before `end`, and skip the pending entries among them.

        Returns the number of deleted entries.
        """
        deleted, first = 0, max(first, self._passed.get(name, first))
        pages = entries_between(self._client, name, _id_text(first), f"({_id_text(end)}", _PAGE)
        for _, page in zip(range(_PAGES_MAX), pages, strict=False):
            ids = [entry_id for entry_id, _ in page]
            pending = pending_ids_among(self._client, name, ids)
            if acknowledged := [each for each in ids if each not in pending]:
                deleted += int(self._client.xdel(name, *acknowledged))
            self._passed[name] = _next_id(parse_id(ids[-1]))
        return deleted

    def _first_id(self, name: str) -> _EntryId | None:
        found = cast("list[tuple[bytes, Any]]", self._client.xrange(name, count=1))
        return parse_id(found[0][0].decode()) if found else None

    def _read_memory(self) -> Memory:
        """Return the memory of Redis. If the user may not run INFO, return no limit."""
        try:
            found = self._client.info("memory")
        except NoPermissionError:
            return Memory(0, 0)
        return Memory(int(found["used_memory"]), int(found.get("maxmemory", 0)))


_AFTER_LAST_ID: _EntryId = (2**64 - 1, 2**64 - 1)


def _early_trim_bound(first_id: _EntryId, now_ms: int, memory: Memory) -> _EntryId:
    """Return the id below which kept entries are deleted early, because the memory is short.

    If the memory is nearly full, the id is above all entries. Otherwise its time is 1/_EARLY_DIVISOR of the way from
    the oldest entry, `first_id`, to now.
    """
    if memory.is_nearly_full:
        return _AFTER_LAST_ID
    return first_id[0] + 1 + max(0, now_ms - first_id[0]) // _EARLY_DIVISOR, 0


def _next_id(entry_id: _EntryId) -> _EntryId:
    milliseconds, sequence = entry_id
    return (milliseconds, sequence + 1) if sequence < 2**64 - 1 else (milliseconds + 1, 0)


def _id_text(entry_id: _EntryId) -> str:
    return f"{entry_id[0]}-{entry_id[1]}"
