"""Lists on pages: what the user has chosen, the links to other pages and sorts, and the periods to choose from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from console.reports.definition import Column, Report, SortCost
from console.reports.parameters import with_period_days
from console.web.context import RequestContext
from console.web.cursors import END, decode_window, encode_position
from console.web.errors import PageError
from console.web.exporting import FileFormat
from console.web.filters import ReportQuery
from console.web.rendering import url
from payments.access import saved_views
from payments.access.saved_views import SavedView
from payments.contract.money import total
from payments.core.period import Period
from payments.core.scope import Scope
from payments.core.sorting import SORTED_ROWS_MAX, Sort, TooManyToSortError, Window
from payments.journeys import configuring
from payments.journeys.reporting import Summary
from payments.store.db.keyset import Page, SortKey

_Row = TypeVar("_Row")
_Parameters = TypeVar("_Parameters")
_POSITION_PARAMETERS = {"after": None, "before": None, "kept": None}
_COMPANIES_MAX = 500


class Selection(NamedTuple):
    """The parameters of a request, with the first and last day of a chosen period, and the scope that they select."""

    parameters: Any
    scope: Scope


def select(context: RequestContext, query: ReportQuery[Any]) -> Selection:
    """Return the selection of a query. Raises the errors of `RequestContext.scope_of`."""
    scope, parameters = context.scope_of(query.choice), query.parameters
    if hasattr(parameters, "of_user"):
        parameters = parameters.of_user(context.user.name)
    return Selection(with_period_days(parameters, lambda: context.today_in(scope)), scope)


class PageLinks(NamedTuple):
    """The addresses of other pages of a list. An address is None if the page does not exist."""

    first: str | None
    previous: str | None
    next: str | None
    last: str | None


_NO_LINKS = PageLinks(None, None, None, None)


class SortedList(NamedTuple):
    """A page of a list, and the sort of its rows. `notice` is a sentence for the user, or empty."""

    page: Page[Any]
    sort: Sort
    notice: str = ""


def read_list(
    query: ReportQuery[Any],
    report: Report,
    sorts: Mapping[str, Sequence[SortKey]],
    read: Callable[[Window, Sort], Page[Any]],
    limit: int,
) -> SortedList:
    """Read the page of a list that a query requests.

    If the list is too long for the requested sort, return its first page in the default order, with a notice for the
    user. Raises PageError (422) for an invalid position.
    """
    sort = report.sort_of(query.parameters)
    try:
        return SortedList(read(decode_window(query, sorts[sort.column], limit), sort), sort)
    except TooManyToSortError:
        default = report.sort_of(None)
        heading = report.column(sort.column).heading
        notice = f"More than {SORTED_ROWS_MAX:,} rows match. Narrow the filter to sort them by {heading}."
        return SortedList(read(Window(limit), default), default, notice)


@dataclass(frozen=True)
class ListView:
    """The parts of a page around the rows of a list: the sort, a notice, and links to other pages and files."""

    context: RequestContext
    report: Report
    chosen: Any
    sort: Sort
    notice: str = ""
    links: PageLinks = _NO_LINKS
    known: Summary | None = None
    edge: dict[str, str] | None = None
    is_short: bool = False
    views: Sequence[SavedView] = ()
    companies: Sequence[str] = ()

    def sort_link(self, column: Column) -> str | None:
        """Return the address of the list sorted by `column`. If it already is sorted by `column`, reverse the order.

        Returns None if the list cannot be sorted by the column.
        """
        if column.sort is None:
            return None
        sort = column.first_sort
        if self.sort.column == column.key:
            sort = Sort(column.key, not self.sort.is_descending)
        is_default = not self.is_short and sort == self.report.sort_of(None)
        return self.context.link(**_POSITION_PARAMETERS, sort=None if is_default else sort)

    def aria_sort(self, column: Column) -> str:
        """Return the value of aria-sort for the heading of a column."""
        if self.sort.column != column.key:
            return "none"
        return "descending" if self.sort.is_descending else "ascending"

    @property
    def company(self) -> str | None:
        """The company that the user has chosen."""
        chosen: str | None = getattr(self.chosen, "company", None)
        return chosen

    @property
    def newer_address(self) -> str | None:
        """The address that counts rows added since the page was read, or None if this page cannot get new rows."""
        if self.edge is None or getattr(self.chosen, "as_of", None):
            return None
        given = dict(self.context.request.query_params) | _POSITION_PARAMETERS | self.edge
        return url(f"{self.context.request.url.path}/newer", **given)

    @property
    def query_string(self) -> str:
        """The parameters of the list as text, without the position of a page."""
        return self.context.link(**_POSITION_PARAMETERS).partition("?")[2]

    @property
    def summary_address(self) -> str:
        """The address that returns the number and the sum of all rows."""
        given = dict(self.context.request.query_params) | _POSITION_PARAMETERS | {"sort": None}
        return url(f"{self.context.request.url.path}/summary", **given)

    @property
    def files(self) -> list[tuple[str, str]]:
        """The file formats in which the whole list can be exported: the name and the address of each."""
        path = f"{self.context.request.url.path}/export"
        given = dict(self.context.request.query_params) | _POSITION_PARAMETERS
        return [(form.upper(), url(path, **given | {"form": form})) for form in FileFormat]

    @property
    def presets(self) -> list[tuple[str, str, bool]]:
        """The periods to choose from: the name of each, its address, and whether it is chosen."""
        if not hasattr(self.chosen, "period"):
            return []
        dates = {"since": None, "until": None}
        is_dated = bool(self.chosen.since or self.chosen.until)
        chosen = None if is_dated else self.chosen.period
        every = (
            "All",
            self.context.link(**_POSITION_PARAMETERS, **dates, period=None),
            chosen is None and not is_dated,
        )
        found = [
            (
                each.replace("_", " ").capitalize(),
                self.context.link(**_POSITION_PARAMETERS, **dates, period=each),
                chosen is each,
            )
            for each in Period
        ]
        return [*found, every]


def view_list(context: RequestContext, report: Report, query: ReportQuery[Any], found: SortedList) -> ListView:
    """Return the parts of a page around the rows of a list. `found` is the page of the list."""
    return replace(
        view_whole_list(context, report, query),
        sort=found.sort,
        notice=found.notice,
        links=page_links(context, found.page),
        known=_summary_of(found.page, report),
        edge=_newest_position(found, report),
    )


def view_whole_list(context: RequestContext, report: Report, query: ReportQuery[Any]) -> ListView:
    """Return the view of a list that has only one page, for example of sums."""
    with context.transaction() as tx:
        views = saved_views.list_visible(tx, context.user, context.request.url.path)
        several = context.user.scope.only_company is None
        companies = configuring.list_company_ids(tx, context.user.scope, _COMPANIES_MAX) if several else ()
    sort = report.sort_of(query.parameters)
    return ListView(context, report, query.parameters, sort, views=views, companies=companies)


def _newest_position(found: SortedList, report: Report) -> dict[str, str] | None:
    """Return the query parameter that selects rows newer than the page, or None if the page lacks the newest rows.

    A list in the order of an index grows at its newest end. With any other sort, the result is None, because new rows
    may appear anywhere.
    """
    if report.column(found.sort.column).sort is not SortCost.INDEX:
        return None
    is_first = found.sort.is_descending
    if found.page.has_previous if is_first else found.page.has_more:
        return None
    if not found.page.rows:
        return {}
    row = found.page.rows[0 if is_first else -1]
    return {"before" if is_first else "after": encode_position(row.position)}


def _summary_of(page: Page[Any], report: Report) -> Summary | None:
    """Return the summary of the list if the page shows all of its rows, otherwise None."""
    if page.has_more or page.has_previous:
        return None
    amounts = (getattr(each.row, report.summed or "", None) for each in page.rows)
    return Summary(len(page.rows), total(each for each in amounts if each is not None) if report.summed else None)


def page_links(context: RequestContext, page: Page[Any]) -> PageLinks:
    """Return the addresses of the pages before and after `page`."""
    if not page.rows:
        return PageLinks(context.link(**_POSITION_PARAMETERS) if page.has_previous else None, None, None, None)
    before, after = encode_position(page.rows[0].position), encode_position(page.rows[-1].position)
    return PageLinks(
        first=context.link(**_POSITION_PARAMETERS) if page.has_previous else None,
        previous=context.link(**_POSITION_PARAMETERS | {"before": before}) if page.has_previous else None,
        next=context.link(**_POSITION_PARAMETERS | {"after": after}) if page.has_more else None,
        last=context.link(**_POSITION_PARAMETERS | {"before": END}) if page.has_more else None,
    )


def read_rows(
    query: ReportQuery[Any],
    report: Report,
    sorts: Mapping[str, Sequence[SortKey]],
    read: Callable[[Window, Sort], Page[Any]],
) -> Page[Any]:
    """Read the page of a list for an API call. Raises PageError (422) if the list is too long for the sort."""
    sort = report.sort_of(query.parameters)
    try:
        return read(decode_window(query, sorts[sort.column], query.limit), sort)
    except TooManyToSortError as error:
        raise PageError(422, f"{error}.", "Narrow the filter, or leave `sort` out.") from None
