"""Items of recurring work, their selection by a sweep, and the delays after failed attempts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

_RETRY_DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240))


class WorkKind(StrEnum):
    """A kind of recurring work. The text below each member describes the `item_id` of its items. Values are stored."""

    DETECT_EXCEPTION = "detect_exception"
    """The row id of a line."""
    ACCEPT_EXCEPTION = "accept_exception"
    """The number of an exception."""
    APPLY_IMMEDIATELY = "apply_immediately"
    """The patient whose account is in the distribution queue."""
    DISTRIBUTE_ACCOUNT = "distribute_account"
    """The patient whose account the nightly run distributes."""
    DISTRIBUTE_COMPANY = "distribute_company"
    """Empty: the nightly run of the company."""
    BALANCE_COMPANY = "balance_company"
    """Empty: the nightly balancing of the company."""
    SNAPSHOT_COMPANY = "snapshot_company"
    """Empty: the daily snapshot of the company's work queues."""
    CLOSE_MONTH = "close_month"
    """The month, for example 2026-05."""
    REQUEUE_RUN = "requeue_run"
    """The id of a requeue run. The company is empty if the run selects payments of several companies."""

    @property
    def delays(self) -> Sequence[timedelta]:
        """The delay after each failed attempt at an item. The last delay applies to all further attempts.

        The delays of CLOSE_MONTH are short, because payments are held while a month is CLOSING.
        """
        return _RETRY_DELAYS[:3] if self is WorkKind.CLOSE_MONTH else _RETRY_DELAYS


class WorkItem(NamedTuple):
    """One item of recurring work, such as an account or a month.

    `item_id` is empty if the item is the whole company.
    """

    company_id: str
    item_id: str = ""


@dataclass(slots=True)
class Selection:
    """The selection of items for a sweep.

    If `only` is set, the sweep selects these items. If it is None, the sweep selects all items that are due and not
    postponed. The sweep sets `selected` to the items that it has selected. If the sweep fails, the caller searches
    these items for the cause.
    """

    only: Sequence[WorkItem] | None = None
    selected: Sequence[WorkItem] = ()
