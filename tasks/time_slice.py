"""Time slices of recurring tasks. Each batch commits its progress, and the next task continues where one stopped."""

import time
from collections.abc import Iterable
from typing import TypeVar

TIME_SLICE_SECONDS = 30
"""Time slice of one task, well below the task time limit."""

_T = TypeVar("_T")


def run_time_slice(batches: Iterable[_T]) -> tuple[list[_T], bool]:
    """Run batches until none is left or the time slice is over. Return their results, and whether batches may remain.

    `batches` is an iterator that does the work of a batch before it yields the result. At least one batch is run.
    Raises the errors of the batches.
    """
    ends_at = time.monotonic() + TIME_SLICE_SECONDS
    results: list[_T] = []
    for result in batches:
        results.append(result)
        if time.monotonic() >= ends_at:
            return results, True
    return results, False
