"""Write the amounts in the sentences of a history with a dollar sign and thousands separators, for pages.

In JSON and files, the sentences have plain amounts.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from payments.exception_wording import format_dollars
from payments.journeys.reporting import LifeEvent, TimelineRow

Event = TypeVar("Event", TimelineRow, LifeEvent)
_AMOUNT_PATTERN = re.compile(r"-?\d+\.\d\d")
_NAMES = ("before", "now", "posted")
"""The names of the params that are amounts. The param `postings` begins each posting with its amount."""


def with_dollars(events: Iterable[Event]) -> list[Event]:
    """Return the events of a history with the amounts in `params` as dollars, such as `-$1,234.00`."""
    return [each._replace(params=_in_dollars(each.params)) if each.params else each for each in events]


def _in_dollars(params: Mapping[str, Any]) -> dict[str, Any]:
    amounts = {name: _dollars(params[name]) for name in _NAMES if name in params}
    postings = [[_dollars(amount), *rest] for amount, *rest in params.get("postings", ())]
    return {**params, **amounts} | ({"postings": postings} if postings else {})


def _dollars(amount: Any) -> Any:
    is_amount = isinstance(amount, str) and _AMOUNT_PATTERN.fullmatch(amount)
    return format_dollars(Decimal(amount)) if is_amount else amount
