"""Select due lines or dead letters for a retry, and report which were selected."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class DueItems:
    """The selection of due items for a retry: up to `limit` items, the earliest first.

    If `only` is set, only items with these row ids are selected. The retry sets `taken` to the row ids of the selected
    items. If the retry fails, the caller searches these items for the cause.
    """

    limit: int
    only: Sequence[int] | None = None
    taken: Sequence[int] = ()
