"""The selection of due lines or dead letters for a retry."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class DueItems:
    """The selection of due items for a retry: up to `limit` items, the earliest first.

    If `only` is set, only items with these row ids are selected. The retry sets `taken` to the row ids that it works
    on. If the retry fails, one of these items is the cause.
    """

    limit: int
    only: Sequence[int] | None = None
    taken: Sequence[int] = ()
