"""Lists that are short enough to be read as a whole, and then sorted in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from console.reports.definition import Report
from console.reports.output import Record
from console.reports.sorting import sort_rows
from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.lists import ListView
from payments.core.sorting import Sort
from payments.journeys.reporting import Summary

_Row = TypeVar("_Row")


@dataclass(frozen=True)
class ShortList(Generic[_Row]):
    """The rows of a list, and the record of each row. Both are sorted as `view` says."""

    rows: Sequence[_Row]
    records: Sequence[Record]
    view: ListView


def short_list(
    context: RequestContext, report: Report, sort: str | None, rows: Sequence[_Row], records: Sequence[Record]
) -> ShortList[_Row]:
    """Return the rows and their records, sorted by `sort`. If `sort` is None, keep their order.

    Raises PageError (422) for a sort that the report does not have.
    """
    chosen = Sort.parse(sort) if sort else None
    if chosen and chosen not in report.sorts:
        choices = ", ".join(map(str, report.sorts))
        raise PageError(422, f"{report.title} cannot be sorted by {chosen}.", f"Choose one of: {choices}.")
    view = ListView(context, report, None, chosen or Sort(""), known=Summary(len(rows), None), is_short=True)
    if chosen is None:
        return ShortList(rows, records, view)
    pairs: list[Any] = sort_rows([*zip(rows, records, strict=True)], records, chosen)
    return ShortList([row for row, _ in pairs], [record for _, record in pairs], view)
