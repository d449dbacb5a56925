"""Refuse unknown and repeated query parameters, form fields and keys of JSON bodies.

If a misspelt name were ignored, the request would not have the intended effect.
"""

import json
from collections.abc import Callable, Coroutine, Iterable, Iterator
from functools import cache
from typing import Any, get_origin

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.datastructures import FormData

from console.web.errors import PageError
from payments.contract.repeated_keys import count_repeated

FORM_FIELDS = frozenset({"csrf"})
"""Fields that every form may have, although no route reads them."""
_CHARACTERS_MAX = 60


class StrictBodyRoute(APIRoute):
    """A route that records repeated keys of its JSON body, because a JSON parser alone keeps only the last value."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the route. It reads bodies as `_StrictRequest`."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return handle_strictly


class _StrictRequest(Request):
    async def json(self) -> Any:
        """Return the parsed body. Store the names of its repeated keys in the state of the request."""
        repeated_keys: list[str] = []

        def collect_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            repeated_keys.extend(count_repeated(name for name, _ in pairs))
            return dict(pairs)

        parsed = json.loads(await self.body(), object_pairs_hook=collect_repeated_keys)
        self.state.repeated_keys = repeated_keys
        return parsed


def check_names(request: Request, form: FormData) -> None:
    """Check the names in a request: query parameters, form fields and repeated keys of a JSON body.

    Raises PageError (422) if a name is repeated, or if the route does not read it. Unknown keys of a JSON body are
    refused by its model.
    """
    dependant: Dependant = request.scope["route"].dependant
    _check_names(request.query_params.multi_items(), read_names(dependant, "query_params"), "parameter")
    if form:
        fields = read_names(dependant, "body_params")
        _check_names(form.multi_items(), fields | dict.fromkeys(FORM_FIELDS, False), "field")
    for name in getattr(request.state, "repeated_keys", ()):
        raise PageError(422, f"{shown_name(name)}: given more than once.", "Give it once.")


@cache
def _fields_of(model: type[BaseModel]) -> dict[str, bool]:
    return {field.alias or name: _may_repeat(field.annotation) for name, field in model.model_fields.items()}


def read_names(dependant: Dependant, source: str) -> dict[str, bool]:
    """Return, for each name that a route and its dependencies read, whether the name may be repeated.

    `source` is an attribute of Dependant: `query_params` or `body_params`.
    """
    names: dict[str, bool] = {}
    for each in _with_dependencies(dependant):
        for field in getattr(each, source):
            annotation = field.field_info.annotation
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                names |= _fields_of(annotation)
            else:
                names[field.alias] = _may_repeat(annotation)
    return names


def shown_name(name: str) -> str:
    """Return a name from a request for a one-line message. A long name is shortened.

    If the name is long or not printable, it is quoted.
    """
    return name if name.isprintable() and 0 < len(name) <= _CHARACTERS_MAX else repr(name[:_CHARACTERS_MAX])


def _check_names(given: Iterable[tuple[str, Any]], known: dict[str, bool], noun: str) -> None:
    names = [name for name, _ in given]
    for name in names:
        if name not in known:
            listed = ", ".join(sorted(set(known) - FORM_FIELDS))
            step = f"It takes: {listed}." if listed else f"It takes no {noun}s here."
            raise PageError(422, f"{shown_name(name)}: no such {noun}.", step)
    for name in count_repeated(name for name in names if not known[name]):
        raise PageError(422, f"{shown_name(name)}: given more than once.", "Give it once.")


def _may_repeat(annotation: Any) -> bool:
    return get_origin(annotation) in {list, tuple, set, frozenset}


def _with_dependencies(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for each in dependant.dependencies:
        yield from _with_dependencies(each)
