"""The selection of due lines or dead letters that a retry works on."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class DueItems:
    """The selection of due items for a retry: up to `limit`, the earliest first; with `only`, among these row ids.

    A retry sets `taken` to the row ids that it works on. If it fails, one of them is the cause.
    """

    limit: int
    only: Sequence[int] | None = None
    taken: Sequence[int] = ()
