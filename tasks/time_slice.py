"""Time slices of recurring tasks.

Each batch commits its progress, so the next task continues where this one stopped.
"""

import time
from collections.abc import Iterable
from typing import TypeVar

TIME_SLICE_SECONDS = 30
"""Time slice of one task. It is well below the time limit of a task."""

_T = TypeVar("_T")


def run_time_slice(batches: Iterable[_T]) -> tuple[list[_T], bool]:
    """Run batches until none is left or the time slice is over. Return their results, and whether batches may remain.

    `batches` is an iterator: each step does the work of one batch and yields the result. At least one batch is run.
    Raises the errors of the batches.
    """
    ends_at = time.monotonic() + TIME_SLICE_SECONDS
    results: list[_T] = []
    for result in batches:
        results.append(result)
        if time.monotonic() >= ends_at:
            return results, True
    return results, False
