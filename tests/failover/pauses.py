"""The times without an import during the faults of a schedule."""

import itertools
from collections.abc import Sequence
from datetime import datetime


def longest_pauses(times: Sequence[datetime], began: Sequence[datetime], ended: datetime) -> list[float]:
    """Return for each fault the longest time in seconds without an import until the next fault.

    `times` are the times of the imports, `began` the beginnings of the faults, and `ended` the end of the last fault.
    """
    pauses = []
    for begin, end in zip(began, [*began[1:], ended], strict=True):
        moments = [begin, *(each for each in times if begin < each < end), end]
        longest = max(later - earlier for earlier, later in itertools.pairwise(moments))
        pauses.append(round(longest.total_seconds(), 1))
    return pauses
