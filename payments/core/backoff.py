"""Retry delays: a schedule of growing steps with full jitter (rule D5)."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta

BackoffSchedule = Sequence[timedelta]
"""The longest delay before each retry, in order."""
_DRAW_RANGE = 2**32


def backoff_delay(schedule: BackoffSchedule, attempt: int, seed: str) -> timedelta | None:
    """Return the delay after the `attempt`-th failure (counted from 1), or None after the last step of the schedule.

    The delay is between zero and the step of the schedule (full jitter), so payments that failed together are not
    retried together. The delay is derived from `seed`, so a payment gets the same delay in every process.
    """
    if attempt > len(schedule):
        return None
    digest = hashlib.blake2b(f"{seed}:{attempt}".encode(), digest_size=4).digest()
    # Integer microseconds, because multiplying a timedelta of hours by the draw would overflow.
    step_us = schedule[attempt - 1] // timedelta(microseconds=1)
    return timedelta(microseconds=step_us * int.from_bytes(digest) // _DRAW_RANGE)
