"""When to try again: a ladder of growing pauses, spread so that what failed together does not come back together."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta

BackoffSchedule = Sequence[timedelta]
_FINENESS = 2**32


def pause(backoff_schedule: BackoffSchedule, tries: int, spread_by: str) -> timedelta | None:
    """Return how long to wait after `tries` tries (from 1), or None when the ladder has ended.

    The pause lies anywhere between nothing and the full step (full jitter). Where, is drawn from `spread_by`, so that
    the same thing always gets the same pause and everyone who asks agrees on it.
    """
    if tries > len(backoff_schedule):
        return None
    digest = hashlib.blake2b(f"{spread_by}:{tries}".encode(), digest_size=4).digest()
    # In microseconds: a timedelta of some hours times the draw is more than a timedelta can hold.
    step_us = backoff_schedule[tries - 1] // timedelta(microseconds=1)
    return timedelta(microseconds=step_us * int.from_bytes(digest) // _FINENESS)
