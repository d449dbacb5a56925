"""Compute the longest time without an import after each fault of a schedule."""

import itertools
from collections.abc import Sequence
from datetime import datetime


def longest_pauses(times: Sequence[datetime], began: Sequence[datetime], ended: datetime) -> list[float]:
    """Return, for each fault, the longest time in seconds without an import before the next fault began.

    `times` are the times of the imports. `began` are the times at which the faults began. `ended` is the end of the
    last fault.
    """
    pauses = []
    for begin, end in zip(began, [*began[1:], ended], strict=True):
        moments = [begin, *(each for each in times if begin < each < end), end]
        longest = max(later - earlier for earlier, later in itertools.pairwise(moments))
        pauses.append(round(longest.total_seconds(), 1))
    return pauses
