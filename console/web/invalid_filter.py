"""The page that a report shows if its filter has a wrong value.

The page shows the form as the user sent it, with a message at each wrong field.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel

from console.web import navigation
from console.web.context import RequestContext
from console.web.filters import PageQuery
from console.web.origins import SAFE_METHODS, is_api_request
from console.web.pages.choices import list_offered_ids


class _ReportForm(NamedTuple):
    """The attributes of a report that the macro `filter_bar` reads."""

    title: str
    parameters: type[Any]


def invalid_filter_page(request: Request, messages: Mapping[str, str], status: int, alert: str) -> Response | None:
    """Return the page that shows which filters are wrong, or None if the requested page has no filter.

    `messages` holds the message of each field. `alert` is shown above the form, because on phones the form is closed.
    """
    context: RequestContext | None = getattr(request.state, "context", None)
    parameters = _parameter_class(request)
    if context is None or parameters is None or request.method not in SAFE_METHODS or is_api_request(request):
        return None
    path = request.url.path
    if path not in navigation.addresses():  # a download, for example
        return None
    with context.transaction() as tx:
        offered = list_offered_ids(tx, context)
    return context.page(
        "invalid_filter.html",
        status,
        report=_ReportForm(navigation.label_of(path), parameters),
        sent=dict(request.query_params),
        address=path,
        messages=messages,
        alert=alert,
        offered=offered,
    )


def query_models(dependant: Dependant) -> Iterator[type[BaseModel]]:
    """Yield the models of query and body parameters that a route and its dependencies declare."""
    for each in (*dependant.query_params, *dependant.body_params):
        annotation = each.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield annotation
    for dependency in dependant.dependencies:
        yield from query_models(dependency)


def _parameter_class(request: Request) -> type[Any] | None:
    route = request.scope.get("route")
    models = query_models(route.dependant) if route else ()
    return next((each.parameter_class for each in models if issubclass(each, PageQuery) and each.parameter_class), None)
