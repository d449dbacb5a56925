"""Select due lines or dead letters for a retry, and report which were selected."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class DueSelection:
    """The selection of due items for a retry: up to `limit` items, the earliest first.

    If `only` is set, only items with these row ids are selected. The retry sets `selected` to the row ids of the items
    that it has selected. If the retry fails, the caller searches these items for the cause.
    """

    limit: int
    only: Sequence[int] | None = None
    selected: Sequence[int] = ()
